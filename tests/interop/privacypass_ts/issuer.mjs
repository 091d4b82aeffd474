// An issuer of the library on the loopback interface, for types 0x0001 and 0x0002, single and in batches.
//
// The first line on standard input is {certificate, private_key}, both PEM. One line comes out: the ports and
// the keys, the private one of type 0x0001 among them. It serves until standard input ends.

import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createInterface } from 'node:readline';

import {
    genericBatched,
    MediaType,
    PRIVATE_TOKEN_ISSUER_DIRECTORY,
    privateVerif,
    publicVerif,
    TOKEN_TYPES,
    tokenRequestToTokenTypeEntry,
} from '@cloudflare/privacypass-ts';
import { base64url } from 'rfc4648';

import { hex, output } from './common.mjs';

const lines = createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0));
const { value: line } = await lines[Symbol.asyncIterator]().next();
const { certificate, private_key: certificateKey } = JSON.parse(line);

const mode = publicVerif.BlindRSAMode.PSS;
const rsa = await publicVerif.Issuer.generateKey(mode, {
    modulusLength: 2048,
    publicExponent: Uint8Array.from([1, 0, 1]),
});
const voprf = await privateVerif.keyGen();
const rsaIssuer = new publicVerif.Issuer(mode, 'issuer.example', rsa.privateKey, rsa.publicKey);
const voprfIssuer = new privateVerif.Issuer('issuer.example', voprf.privateKey, voprf.publicKey);
const batchIssuer = new genericBatched.Issuer(rsaIssuer, voprfIssuer);

const notBefore = Math.floor(Date.now() / 1000) - 60;
const keys = [
    [TOKEN_TYPES.BLIND_RSA.value, await publicVerif.getPublicKeyBytes(rsa.publicKey)],
    [TOKEN_TYPES.VOPRF.value, voprf.publicKey],
];
const directory = JSON.stringify({
    'issuer-request-uri': '/token-request',
    'token-keys': keys.map(([type, key]) => ({
        'token-type': type,
        'token-key': base64url.stringify(key),
        'not-before': notBefore,
    })),
});

async function issueOne(body) {
    const type = tokenRequestToTokenTypeEntry(body);
    if (type.value === TOKEN_TYPES.VOPRF.value) {
        return voprfIssuer.issue(privateVerif.TokenRequest.deserialize(body));
    }
    return rsaIssuer.issue(publicVerif.TokenRequest.deserialize(type, body));
}

const answers = {
    [MediaType.PRIVATE_TOKEN_REQUEST]: [MediaType.PRIVATE_TOKEN_RESPONSE, issueOne],
    [MediaType.ARBITRARY_BATCHED_TOKEN_REQUEST]: [
        MediaType.ARBITRARY_BATCHED_TOKEN_RESPONSE,
        (body) => batchIssuer.issue(genericBatched.BatchedTokenRequest.deserialize(body)),
    ],
};

async function serve(request, response) {
    if (request.method === 'GET' && request.url === PRIVATE_TOKEN_ISSUER_DIRECTORY) {
        response.writeHead(200, { 'Content-Type': MediaType.PRIVATE_TOKEN_ISSUER_DIRECTORY }).end(directory);
        return;
    }
    const [type, issue] = answers[request.headers['content-type']] ?? [];
    if (request.method !== 'POST' || request.url !== '/token-request' || issue === undefined) {
        response.writeHead(404).end();
        return;
    }
    try {
        const pieces = [];
        for await (const piece of request) {
            pieces.push(piece);
        }
        const answer = await issue(Uint8Array.from(Buffer.concat(pieces)));
        response.writeHead(200, { 'Content-Type': type }).end(answer.serialize());
    } catch (error) {
        console.error(error);
        response.writeHead(422).end();
    }
}

const plain = createServer(serve);
const tls = createTlsServer({ cert: certificate, key: certificateKey }, serve);
for (const server of [plain, tls]) {
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
}
output({
    port: plain.address().port,
    tls_port: tls.address().port,
    rsa: hex(keys[0][1]),
    voprf: hex(voprf.publicKey),
    voprf_private: hex(voprf.privateKey),
});
