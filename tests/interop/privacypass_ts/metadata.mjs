// Type 0xDA7A, both sides: the library's client asks for a token, its issuer answers a request, and its origin
// reads a field.
//
// In: {challenge, extensions}, {url, key, credential} for the client, {private_key, issuer_key, request} for the
// issuer, {authorization} for the origin, under the issuer's key. The private key is PEM.

import { createPrivateKey } from 'node:crypto';

import {
    AuthorizationHeader,
    Extensions,
    publicVerif,
    sendTokenRequest,
    TOKEN_TYPES,
    TokenChallenge,
} from '@cloudflare/privacypass-ts';

import { bytes, hex, input, output, rsaKey } from './common.mjs';

const given = await input();
const mode = publicVerif.PartiallyBlindRSAMode.PSS;
const { rsaParams } = publicVerif.PARTIALLY_BLIND_RSA;
const extensions = Extensions.deserialize(bytes(given.extensions));
const challenge = TokenChallenge.deserialize(bytes(given.challenge));
const origin = new publicVerif.OriginWithMetadata(mode, extensions, challenge.originInfo);

const client = new publicVerif.ClientWithMetadata(mode, extensions);
const asked = await client.createTokenRequest(challenge, bytes(given.key));
const headers = new Headers({ Authorization: given.credential });
const answer = await sendTokenRequest(asked.serialize(), given.url, headers);
const token = await client.finalize(client.deserializeTokenResponse(answer));

const pkcs8 = createPrivateKey(given.private_key).export({ type: 'pkcs8', format: 'der' });
const privateKey = await crypto.subtle.importKey('pkcs8', pkcs8, rsaParams, true, ['sign']);
const issuerKey = await rsaKey(bytes(given.issuer_key));
const issuer = new publicVerif.IssuerWithMetadata(mode, challenge.issuerName, privateKey, issuerKey);
const response = await issuer.issue(publicVerif.ExtendedTokenRequest.deserialize(bytes(given.request)));

const [read] = AuthorizationHeader.parse(TOKEN_TYPES.PARTIALLY_BLIND_RSA, given.authorization);
output({
    token: hex(token.serialize()),
    verified: await origin.verify(token, await rsaKey(bytes(given.key))),
    response: hex(response.serialize()),
    read: { token: hex(read.token.serialize()), extensions: hex(read.extensions.serialize()) },
    read_verified: await origin.verify(read.token, issuerKey),
});
