// What the scripts share: one JSON value in on standard input, one out, bytes in them as hex.

import { publicVerif, util } from '@cloudflare/privacypass-ts';

// Not a plain Buffer: the library reads `bytes.buffer` from its beginning.
export const bytes = (hex) => Uint8Array.from(Buffer.from(hex, 'hex'));
export const hex = (data) => Buffer.from(data).toString('hex');

export async function input() {
    let text = '';
    for await (const piece of process.stdin) {
        text += piece;
    }
    return JSON.parse(text);
}

// Standard output is for the answer alone; what the library logs goes to standard error.
export const output = (value) => process.stdout.write(JSON.stringify(value) + '\n');
console.log = console.error;

export async function digest(data) {
    return new Uint8Array(await crypto.subtle.digest('SHA-256', data));
}

// The key of a directory as WebCrypto takes it, which does not know id-RSASSA-PSS.
export function rsaKey(spki) {
    const { rsaParams } = publicVerif.BLIND_RSA;
    return crypto.subtle.importKey('spki', util.convertRSASSAPSSToEnc(spki), rsaParams, true, ['verify']);
}

export function verifyRsa(token, key) {
    return new publicVerif.Origin(publicVerif.BlindRSAMode.PSS).verify(token, key);
}
