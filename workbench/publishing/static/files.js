// Picture files that say who coloured them: PNG written here, strip by strip; JPEG marked here.

const bytes = text => new TextEncoder().encode(text);
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function chunk(type, data) {
  const made = new Uint8Array(data.length + 12), view = new DataView(made.buffer);
  view.setUint32(0, data.length);
  made.set(bytes(type), 4);
  made.set(data, 8);
  let crc = -1;
  for (let i = 4; i < data.length + 8; i++) crc = TABLE[(crc ^ made[i]) & 255] ^ (crc >>> 8);
  view.setUint32(data.length + 8, ~crc >>> 0);
  return made;
}

/** International text: keyword, not compressed, no language. */
const text = (key, value) => chunk("iTXt", bytes(`${key}\0\0\0\0\0${value}`));

/** Strips of RGBA rows -> a PNG of 8 bits with the marks as text. */
export async function pngOf(strips, height, width, marks, xmp) {
  const header = new Uint8Array(13), view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB
  const packer = new CompressionStream("deflate");
  const parts = [new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]), chunk("IHDR", header)];
  parts.push(chunk("sRGB", new Uint8Array([0])));
  for (const [key, value] of Object.entries(marks)) parts.push(text(key, value));
  parts.push(text("XML:com.adobe.xmp", xmp));
  const packed = (async () => {
    for (const reader = packer.readable.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) return;
      parts.push(chunk("IDAT", value));
    }
  })();
  const writer = packer.writable.getWriter();
  let above = new Uint8Array(width * 3);
  for await (const { rgba, rows } of strips) {
    const line = width * 3 + 1, filtered = new Uint8Array(rows * line);
    for (let y = 0, i = 0; y < rows; y++) {
      const row = new Uint8Array(width * 3);
      for (let o = 0; o < row.length; i += 4, o += 3) {
        row[o] = rgba[i];
        row[o + 1] = rgba[i + 1];
        row[o + 2] = rgba[i + 2];
      }
      const at = y * line;
      filtered[at] = 2; // each byte less the one above it
      for (let o = 0; o < row.length; o++) filtered[at + 1 + o] = row[o] - above[o];
      above = row;
    }
    await writer.write(filtered);
  }
  await writer.close();
  await packed;
  parts.push(chunk("IEND", new Uint8Array(0)));
  return new Blob(parts, { type: "image/png" });
}

/** Strips of RGBA rows -> a JPEG at quality 0.95 with the marks as EXIF and XMP. */
export async function jpegWithMarks(strips, height, width, marks, xmp) {
  const canvas = new OffscreenCanvas(width, height), brush = canvas.getContext("2d");
  if (!brush) throw new RangeError("canvas");
  for await (const { top, rgba } of strips) brush.putImageData(new ImageData(rgba, width), 0, top);
  const plain = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
  const start = new Uint8Array(await plain.slice(0, 20).arrayBuffer());
  const jfif = start[2] === 0xff && start[3] === 0xe0 ? 4 + (start[4] << 8 | start[5]) : 2;
  const segments = [segment(exif(marks)), segment(bytes(`http://ns.adobe.com/xap/1.0/\0${xmp}`))];
  return new Blob([plain.slice(0, jfif), ...segments, plain.slice(jfif)], { type: "image/jpeg" });
}

function segment(data) {
  const length = data.length + 2, made = new Uint8Array(length + 2);
  made.set([0xff, 0xe1, length >> 8, length & 255]);
  made.set(data, 4);
  return made;
}

/** ImageDescription, Software and, as UserComment, every mark: EXIF, little-endian. */
function exif(marks) {
  const ascii = value => bytes(`${value.replace(/[^\x20-\x7e]/g, "?")}\0`);
  const comment = Object.entries(marks).map(([key, value]) => `${key}: ${value}`).join("; ");
  const wide = new Uint8Array(8 + comment.length * 2);
  wide.set(bytes("UNICODE\0"));
  for (let i = 0; i < comment.length; i++) {
    const code = comment.charCodeAt(i);
    wide.set([code & 255, code >> 8], 8 + 2 * i);
  }
  const description = ascii(marks.Description), software = ascii(marks.Software);
  const table = 8 + 2 + 3 * 12 + 4; // where the first directory's values begin
  const inner = table + description.length + software.length;
  const innerValues = inner + 2 + 12 + 4;
  const made = new Uint8Array(6 + innerValues + wide.length), view = new DataView(made.buffer, 6);
  made.set(bytes("Exif\0\0"));
  made.set(bytes("II"), 6);
  view.setUint16(2, 42, true);
  view.setUint32(4, 8, true);
  view.setUint16(8, 3, true);
  const entry = (at, tag, type, count, value) => {
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, type, true);
    view.setUint32(at + 4, count, true);
    view.setUint32(at + 8, value, true);
  };
  entry(10, 0x010e, 2, description.length, table);
  entry(22, 0x0131, 2, software.length, table + description.length);
  entry(34, 0x8769, 4, 1, inner);
  made.set(description, 6 + table);
  made.set(software, 6 + table + description.length);
  view.setUint16(inner, 1, true);
  entry(inner + 2, 0x9286, 7, wide.length, innerValues);
  made.set(wide, 6 + innerValues);
  return made;
}
