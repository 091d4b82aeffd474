// One token over the library's own client, for the first challenge of a WWW-Authenticate field.
//
// It does what `fetchToken` of the library does, step by step, because that has no way to show the
// issuer a credential. In: {field, credential}.

import {
    AuthorizationHeader,
    privateVerif,
    publicVerif,
    sendTokenRequest,
    TOKEN_TYPES,
    WWWAuthenticateHeader,
} from '@cloudflare/privacypass-ts';

import { digest, hex, input, output, rsaKey, verifyRsa } from './common.mjs';
import { fetchDirectory, presentKey } from './directory.mjs';

const { field, credential } = await input();
const [{ challenge, tokenKey }] = WWWAuthenticateHeader.parse(field);
const directory = await fetchDirectory(challenge.issuerName);
const listedKey = presentKey(directory, challenge.tokenType);

const publicly = challenge.tokenType === TOKEN_TYPES.BLIND_RSA.value;
const client = publicly ? new publicVerif.Client(publicVerif.BlindRSAMode.PSS) : new privateVerif.Client();
const request = await client.createTokenRequest(challenge, tokenKey);
const headers = new Headers({ Authorization: credential });
const answer = await sendTokenRequest(request.serialize(), directory.url, headers);
const token = await client.finalize(client.deserializeTokenResponse(answer));

const authorization = new AuthorizationHeader(token);
output({
    directory,
    listed: hex(tokenKey) === hex(listedKey),
    token: hex(token.serialize()),
    token_key_id: hex(await digest(tokenKey)),
    // Only who has the private key can verify the other type; finalizing has checked the proof.
    verified: publicly ? await verifyRsa(token, await rsaKey(tokenKey)) : null,
    authorization: authorization.toString(),
    authorization_quoted: authorization.toString(true),
});
