// The offer token, as edge/decision/token.py draws it; it is read only where it is redeemed.
import { toBase64url } from "../browser/claims.js";
import { isPart, utf8 } from "./hashing.js";

const SIZE_LIMIT_BYTES = 1024;
const LABEL = "proffer-offer-token.";
const ODD = /\\|""/; // JSON writes control characters and ill-formed text with a backslash

// `hmac` is the hasher's for the edge's secret.  Throws an Error for a token that has no form.
export const issueToken = (hmac, token) => {
  const said = JSON.stringify(token);
  if (ODD.test(said)) checkTexts(token);
  const payload = toBase64url(utf8(said));
  const text = `${payload}.${toBase64url(hmac.of(LABEL, payload))}`;
  if (text.length > SIZE_LIMIT_BYTES)
    throw new Error(`MALFORMED: ${text.length} bytes; at most ${SIZE_LIMIT_BYTES}`);
  return text;
};

const checkTexts = (token) => {
  for (const [name, value] of Object.entries(token))
    if (typeof value === "string" && !isPart(value))
      throw new Error(`MALFORMED: ${name} is empty or holds control characters`);
};
