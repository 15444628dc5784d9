// Answers a batch of questions with the kernel's loader, in any home of JavaScript.
//
//   answerAll({ loader, creatives, source }, questions) -> JSON text of a list of answers
//
// loader and creatives are the modules kernel.js and creatives.js, source is what loadKernel
// takes.  Questions are JSON text: { bundles: [base64], questions: [[bundle, manifest, kind,
// content]] }, bytes as base64; kind is "text" (JSON bytes), "object" (JSON, parsed before) or
// "encoded".  All but "encoded" are also expanded to what a page shows.  Of kind "address" and
// "notice", the content is a text that creatives.js says something about.
const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

const base64 = (data) => {
  let text = "";
  for (const byte of data) text += String.fromCharCode(byte);
  return btoa(text);
};

const codeOf = (error) => ({ error: error.code ? error.name + " " + error.code : String(error.stack) });

const opened = (kernel, bundle, creatives) => {
  try {
    const policy = kernel.open(bytes(bundle));
    return { policy, texts: new creatives.Texts(policy) };
  } catch (error) { return codeOf(error); }
};

export async function answerAll({ loader, creatives, source }, text) {
  const { bundles, questions } = JSON.parse(text), { readVerdict } = loader;
  const kernel = await loader.loadKernel(source);
  const policies = bundles.map((bundle) => opened(kernel, bundle, creatives));

  const answer = ([row, block, kind, content]) => {
    const text = () => new TextDecoder().decode(bytes(content));
    if (kind === "address") return { shown: [{ safe: creatives.isSafeAddress(text()) }] };
    if (kind === "notice") return { shown: [{ notice: creatives.disclosureOf(text()) }] };
    const { policy, texts, error } = policies[row];
    if (error) return { error };
    try {
      const manifest = bytes(block), sent = bytes(content);
      if (kind === "encoded") return { verdict: base64(policy.decide(manifest, sent)) };
      const given = kind === "object" ? JSON.parse(text()) : sent;
      const encoded = policy.encode(given), { data } = encoded;
      const verdict = policy.decide(manifest, data), rows = readVerdict(verdict);
      if (base64(policy.decideRequest(manifest, given)) !== base64(verdict))
        return { error: "decideRequest decides otherwise" };
      return {
        ...encoded, data: base64(data), verdict: base64(verdict), rows,
        shown: rows.map((each) => texts.show(manifest, data, each)),
      };
    } catch (error) { return codeOf(error); }
  };

  return JSON.stringify(questions.map(answer));
}
