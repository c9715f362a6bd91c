import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

export const ISSUER = 'https://id.bench.example';
export const AUDIENCE = 'orgate-bench';
const ALGORITHM = 'ES256';

/**
 * An issuer of the benchmark's own: its key is served as a JWKS on a loopback port, from which both gateways verify.
 *
 * @returns {Promise<{ jwksUri: string, sign(subject: string, orgId: string): Promise<string>, close(): void }>}
 */
export async function openIssuer() {
  const { privateKey, publicKey } = await generateKeyPair(ALGORITHM);
  const jwks = JSON.stringify({
    keys: [{ ...(await exportJWK(publicKey)), kid: 'bench', alg: ALGORITHM, use: 'sig' }],
  });
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(jwks);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    jwksUri: `http://127.0.0.1:${server.address().port}/jwks`,
    sign: (subject, orgId) =>
      new SignJWT({ org: orgId })
        .setProtectedHeader({ alg: ALGORITHM, typ: 'at+jwt', kid: 'bench' })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(subject)
        .setIssuedAt()
        .setExpirationTime('12h')
        .sign(privateKey),
    close: () => server.close(),
  };
}
