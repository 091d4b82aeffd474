// A generic batch, with the library's structures and over plain fetch.
//
// In: {issuer_name, credential, challenges: [hex], misdirected: [index]}; a misdirected request names a
// key that nobody has. Out: the status, and for each challenge its token or null.

import { genericBatched, MediaType, privateVerif, publicVerif, TOKEN_TYPES, TokenChallenge } from '@cloudflare/privacypass-ts';

import { bytes, hex, input, output, rsaKey, verifyRsa } from './common.mjs';
import { fetchDirectory, presentKey } from './directory.mjs';

const { issuer_name: issuerName, credential, challenges, misdirected = [] } = await input();
const directory = await fetchDirectory(issuerName);

const asked = [];
for (const [index, encoded] of challenges.entries()) {
    const challenge = TokenChallenge.deserialize(bytes(encoded));
    const key = presentKey(directory, challenge.tokenType);
    const publicly = challenge.tokenType === TOKEN_TYPES.BLIND_RSA.value;
    const client = publicly ? new publicVerif.Client(publicVerif.BlindRSAMode.PSS) : new privateVerif.Client();
    const request = await client.createTokenRequest(challenge, key);
    if (misdirected.includes(index)) {
        request.truncatedTokenKeyId ^= 0xff;
    }
    asked.push({ client, publicly, key, request });
}

const batched = new genericBatched.Client();
const body = batched.createTokenRequest(asked.map(({ request }) => new genericBatched.TokenRequest(request)));
const response = await fetch(directory.url, {
    method: 'POST',
    headers: {
        Authorization: credential,
        'Content-Type': MediaType.ARBITRARY_BATCHED_TOKEN_REQUEST,
        Accept: MediaType.ARBITRARY_BATCHED_TOKEN_RESPONSE,
    },
    body: body.serialize(),
});

const tokens = [];
const type = response.headers.get('Content-Type');
if (response.ok && type === MediaType.ARBITRARY_BATCHED_TOKEN_RESPONSE) {
    const answer = new Uint8Array(await response.arrayBuffer());
    const { tokenResponses } = batched.deserializeTokenResponse(answer);
    if (tokenResponses.length !== asked.length) {
        throw new Error(`${asked.length} requests, ${tokenResponses.length} responses`);
    }
    for (const [index, { tokenResponse }] of tokenResponses.entries()) {
        const { client, publicly, key } = asked[index];
        const token = tokenResponse === null ? null : await client.finalize(tokenResponse);
        if (token !== null && publicly && !(await verifyRsa(token, await rsaKey(key)))) {
            throw new Error('a token does not verify');
        }
        tokens.push(token === null ? null : hex(token.serialize()));
    }
}
output({ status: response.status, type, tokens });
