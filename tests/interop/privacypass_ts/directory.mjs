// The issuer directory over the library's names for it, and the key of a token type to use now.

import { getIssuerUrl, MediaType, PRIVATE_TOKEN_ISSUER_DIRECTORY } from '@cloudflare/privacypass-ts';
import { base64url } from 'rfc4648';

export async function fetchDirectory(issuerName) {
    const response = await fetch(`https://${issuerName}${PRIVATE_TOKEN_ISSUER_DIRECTORY}`);
    const type = response.headers.get('Content-Type');
    if (response.status !== 200 || type !== MediaType.PRIVATE_TOKEN_ISSUER_DIRECTORY) {
        throw new Error(`the directory came as ${response.status}, ${type}`);
    }
    return { url: await getIssuerUrl(issuerName), keys: (await response.json())['token-keys'] };
}

export function presentKey(directory, tokenType) {
    const now = Date.now() / 1000;
    const found = directory.keys.find(
        (key) => key['token-type'] === tokenType && (key['not-before'] ?? 0) <= now,
    );
    if (found === undefined) {
        throw new Error(`the directory has no key of type ${tokenType} to use now`);
    }
    return base64url.parse(found['token-key']);
}
