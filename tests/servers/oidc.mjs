// An OpenID Connect provider for the tests: users log in with their name and no password.
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const { port, users, client, resource } = JSON.parse(process.env.OIDC_SETTINGS);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: client.id,
    client_secret: client.secret,
    redirect_uris: client.redirect_uris,
    grant_types: ["authorization_code", "client_credentials"],
  }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "groups"] },
  conformIdTokenClaims: false,
  cookies: { keys: ["test"] },
  pkce: { required: () => true },
  findAccount: (_, id) => {
    const known = users[id];
    return known && { accountId: id, claims: async () => ({ sub: id, ...known }) };
  },
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo: () => ({
        scope: "api", audience: resource, accessTokenFormat: "jwt", accessTokenTTL: 600,
      }),
      useGrantedResource: () => true,
    },
  },
});

createServer(provider.callback()).listen(port, "127.0.0.1");
