// The worker's variables, secrets and bindings, and what the edge is told by them: the same names as
// those of the Python worker (edge/isolate/settings.py has the table).
import { isObject } from "./json.js";

const SECRET_BYTES_MIN = 32;
export const CONSENTS = ["full", "contextual", "none"];

export class SettingsError extends Error {
  constructor(detail) {
    super(detail);
    this.name = "SettingsError";
  }
}

const refuse = (detail) => { throw new SettingsError(detail); };

// `env`: variables and bindings by name.  Throws a SettingsError.
export const readSettings = (env) => {
  const consent = text(env, "PROFFER_DEFAULT_CONSENT", "full");
  if (!CONSENTS.includes(consent)) refuse(`default_consent must be one of ${CONSENTS.join(", ")}`);
  return {
    tenant: text(env, "PROFFER_TENANT"),
    channel: text(env, "PROFFER_CHANNEL", "production"),
    pinnedRoot: new TextEncoder().encode(text(env, "PROFFER_ROOT").trim()),
    secrets: readSecrets(text(env, "PROFFER_SECRETS")),
    refreshS: number(env, "PROFFER_REFRESH_S", 15),
    edgeHeaders: readEdgeHeaders(text(env, "PROFFER_EDGE_HEADERS", "{}")),
    defaultConsent: consent,
    consentCookie: text(env, "PROFFER_CONSENT_COOKIE", "proffer_consent"),
    requestLimitBytes: 64 << 20,
    originUrl: address(env, "PROFFER_ORIGIN_URL"),
    controlUrl: address(env, "PROFFER_CONTROL_URL"),
    originTimeoutS: number(env, "PROFFER_ORIGIN_TIMEOUT_S", 10),
  };
};

const text = (env, name, otherwise) => {
  const value = env[name];
  if ((value === undefined || value === null) && otherwise !== undefined) return otherwise;
  if (typeof value !== "string" || !value)
    refuse(`${name} is missing: set it as a text, in wrangler.toml or as a secret`);
  return value;
};

const number = (env, name, otherwise) => {
  const value = env[name];
  if (value === undefined || value === null) return otherwise;
  const seconds = value === "" ? NaN : Number(value);
  if (!(seconds > 0 && seconds < Infinity)) refuse(`${name} is '${value}'; it must be seconds, more than 0`);
  return seconds;
};

const address = (env, name) => {
  const value = env[name] ? text(env, name) : "";
  if (value && !/^https?:\/\//.test(value)) refuse(`${name} is '${value}'; it must begin with http:// or https://`);
  return value.replace(/\/+$/, "");
};

const readEdgeHeaders = (said) => {
  let headers;
  try { headers = JSON.parse(said); } catch { headers = null; }
  if (!isObject(headers) || !Object.values(headers).every((value) => typeof value === "string"))
    refuse("PROFFER_EDGE_HEADERS must be an object of texts");
  return Object.entries(headers);
};

// Never quotes a secret.
const readSecrets = (said) => {
  let file;
  try { file = JSON.parse(said); } catch { file = null; }
  if (!isObject(file)) refuse("these are no secrets of an edge: PROFFER_SECRETS is no JSON object");
  const shopKey = file.shop_key;
  if (typeof shopKey !== "string" || !shopKey) refuse("the shop's key is empty");
  return { edge: secret(file, "edge_secret"), cookie: secret(file, "cookie_secret"), shopKey };
};

const secret = (file, name) => {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(file[name]), (char) => char.charCodeAt(0));
  } catch { refuse(`these are no secrets of an edge: ${name} is not base64`); }
  if (bytes.length < SECRET_BYTES_MIN) refuse(`secrets of the edge have at least ${SECRET_BYTES_MIN} bytes`);
  return bytes;
};
