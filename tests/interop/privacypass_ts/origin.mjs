// An origin of the library: reads what others write into header fields, and verifies a token.
//
// In: {www_authenticate, authorization, token_type, key}, the key as hex: the public one for type 0x0002,
// the private one for 0x0001. Out: the challenges as read and written again, the token likewise, whether it
// verifies, and whether it still does with one bit of its authenticator flipped.

import {
    AuthorizationHeader,
    privateVerif,
    TOKEN_TYPES,
    WWWAuthenticateHeader,
} from '@cloudflare/privacypass-ts';

import { bytes, digest, hex, input, output, rsaKey, verifyRsa } from './common.mjs';

const given = await input();
const publicly = given.token_type === TOKEN_TYPES.BLIND_RSA.value;
const type = publicly ? TOKEN_TYPES.BLIND_RSA : TOKEN_TYPES.VOPRF;

const offered = WWWAuthenticateHeader.parse(given.www_authenticate);
const challenges = [];
for (const one of offered) {
    challenges.push({
        challenge: hex(one.challenge.serialize()),
        digest: hex(await digest(one.challenge.serialize())),
        issuer_name: one.challenge.issuerName,
        redemption_context: hex(one.challenge.redemptionContext),
        origin_info: one.challenge.originInfo ?? [],
        token_key: hex(one.tokenKey),
        max_age: one.maxAge ?? null,
        plain: one.toString(),
        quoted: one.toString(true),
    });
}

const key = bytes(given.key);
const publicKey = publicly ? await rsaKey(key) : null;
const verify = (token) => (publicly ? verifyRsa(token, publicKey) : privateVerif.verifyToken(token, key));

const [{ token }] = AuthorizationHeader.parse(type, given.authorization);
const answer = {
    challenges,
    token: hex(token.serialize()),
    token_key_id: hex(token.authInput.tokenKeyId),
    verified: await verify(token),
};
token.authenticator[token.authenticator.length - 1] ^= 1;
output({ ...answer, damaged_verified: await verify(token) });
