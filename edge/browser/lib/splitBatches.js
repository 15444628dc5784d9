// Browsers refuse beacons of 64 KiB and more in flight, so batches stay below 60 kB and 50 events.
const BYTES = 60_000, EVENTS = 50;

export const isTooLarge = (text) => sizeOf(text) + 2 > BYTES;

const sizeOf = (text) => new Blob([text]).size + 1; // and a comma

// Texts of JSON values in, texts of JSON arrays out, with the indexes that are in each.
export const splitBatches = (texts) => {
  const batches = [];
  let open = null;
  texts.forEach((text, index) => {
    const bytes = sizeOf(text);
    if (!open || open.bytes + bytes > BYTES || open.indexes.length >= EVENTS)
      batches.push(open = { bytes: 2, texts: [], indexes: [] });
    open.bytes += bytes;
    open.texts.push(text);
    open.indexes.push(index);
  });
  return batches.map(({ texts, indexes }) => ({ body: `[${texts.join()}]`, indexes }));
};
