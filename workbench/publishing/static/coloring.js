// A picture's lightness to a network, and its ab back: what workbench's `coloring` does, in
// JavaScript. tests/test_static_page.py holds the two together. Planes are Float32Array, row by row.

const LONGEST = 8; // the long side shown is at most this many times the size
const TOLERANCE = 1e-4; // of the gamut, in linear RGB
const STRIP = 1 << 18; // pixels between two looks at the clock
const WHITE = [0.95047, 1, 1.08883]; // D65, 2 degrees
const TO_Y = [0.212671, 0.715160, 0.072169];
// the inverse of the matrix sRGB -> XYZ
const TO_RGB = [
  3.240481343, -1.537151516, -0.498536326,
  -0.969254950, 1.875990001, 0.041555927,
  0.055646639, -0.204041338, 1.057311070,
];

const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const SHARES = TO_Y.map(weight => Float32Array.from({ length: 256 }, (_, i) => weight * linear(i / 255)));
// linear RGB in [0, 1], in 65,536 steps -> 0..255
const CURVE = Uint8Array.from({ length: 65537 }, (_, i) => {
  const v = i / 65536;
  return (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055) * 255 + 0.5;
});

/** RGBA bytes -> L in [0, 100], written to `L` from `start`. Returns whether a pixel has colour. */
export function lightness(rgba, L, start) {
  let colored = false;
  for (let i = 0, o = start; i < rgba.length; i += 4, o++) {
    const r = rgba[i], g = rgba[i + 1], b = rgba[i + 2];
    const Y = SHARES[0][r] + SHARES[1][g] + SHARES[2][b];
    L[o] = 116 * (Y > 0.008856 ? Math.cbrt(Y) : 7.787 * Y + 16 / 116) - 16;
    if (!colored && (Math.abs(r - g) > 12 || Math.abs(g - b) > 12)) colored = true;
  }
  return colored;
}

/** Python's round(): halves go to the even neighbour. */
function round(x) {
  const low = Math.floor(x), rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2) ? low + 1 : low;
}

/** [height, width] that a network is shown: short side at `size`, sides multiples of `cell`. */
export function shownSides(height, width, size, cell) {
  const scale = Math.min(size / Math.min(height, width), LONGEST * size / Math.max(height, width)) / cell;
  return [height, width].map(side => Math.max(1, round(side * scale)) * cell);
}

/** Which source pixels make each target pixel, and how much of each: antialiased bilinear. */
function weights(from, to) {
  const scale = from / to, reach = Math.max(scale, 1);
  const first = new Int32Array(to), count = new Int32Array(to);
  const width = Math.ceil(reach) * 2 + 1, share = new Float32Array(to * width);
  for (let i = 0; i < to; i++) {
    const centre = scale * (i + 0.5);
    const low = Math.max(0, Math.trunc(centre - reach + 0.5));
    const high = Math.min(from, Math.trunc(centre + reach + 0.5));
    let total = 0;
    for (let j = low; j < high; j++) {
      const w = Math.max(0, 1 - Math.abs((j + 0.5 - centre) / reach));
      share[i * width + j - low] = w;
      total += w;
    }
    for (let j = 0; j < high - low; j++) share[i * width + j] /= total;
    first[i] = low;
    count[i] = high - low;
  }
  return { first, count, share, width };
}

/** A plane made smaller (or larger): antialiased bilinear, as `edges.shrink`. */
export function shrink(plane, height, width, toHeight, toWidth) {
  if (height === toHeight && width === toWidth) return plane.slice();
  const across = weights(width, toWidth), down = weights(height, toHeight);
  const out = new Float32Array(toHeight * toWidth), rows = new Map();
  const row = y => { // a row of the source, as wide as the target; each is made once
    let made = rows.get(y);
    if (!made) {
      made = new Float32Array(toWidth);
      for (let x = 0, base = y * width; x < toWidth; x++) {
        let sum = 0;
        const low = base + across.first[x], at = x * across.width;
        for (let j = 0; j < across.count[x]; j++) sum += plane[low + j] * across.share[at + j];
        made[x] = sum;
      }
      rows.set(y, made);
    }
    return made;
  };
  for (let y = 0; y < toHeight; y++) {
    const low = down.first[y], to = y * toWidth;
    for (const kept of rows.keys()) if (kept < low) rows.delete(kept);
    for (let j = 0; j < down.count[y]; j++) {
      const source = row(low + j), w = down.share[y * down.width + j];
      for (let x = 0; x < toWidth; x++) out[to + x] += source[x] * w;
    }
  }
  return out;
}

/** L (height, width) and coarse ab {data, height, width} -> RGBA bytes of the rows [top, end). */
export function paint(L, height, width, ab, chroma, top, end) {
  const rgba = new Uint8ClampedArray((end - top) * width * 4);
  const { data, height: h, width: w } = ab, plane = h * w;
  const left = new Int32Array(width), right = new Int32Array(width), part = new Float32Array(width);
  for (let x = 0; x < width; x++) {
    const at = Math.max(0, (x + 0.5) * w / width - 0.5);
    left[x] = Math.min(Math.trunc(at), w - 1);
    right[x] = Math.min(left[x] + 1, w - 1);
    part[x] = at - left[x];
  }
  const rowA = new Float32Array(w), rowB = new Float32Array(w);
  const color = new Float64Array(3);
  for (let y = top, o = 0; y < end; y++) {
    const at = Math.max(0, (y + 0.5) * h / height - 0.5);
    const upper = Math.min(Math.trunc(at), h - 1), lower = Math.min(upper + 1, h - 1), p = at - upper;
    for (let x = 0, i = upper * w, j = lower * w; x < w; x++, i++, j++) {
      rowA[x] = chroma * (data[i] + (data[j] - data[i]) * p);
      rowB[x] = chroma * (data[plane + i] + (data[plane + j] - data[plane + i]) * p);
    }
    for (let x = 0, i = y * width; x < width; x++, i++, o += 4) {
      const l = left[x], r = right[x], q = part[x];
      const a = rowA[l] + (rowA[r] - rowA[l]) * q, b = rowB[l] + (rowB[r] - rowB[l]) * q;
      const f = (L[i] + 16) / 116;
      if (!toLinear(f, a, b, color)) { // keep lightness and hue, give up chroma
        let low = 0, high = 1;
        for (let n = 0; n < 8; n++) {
          const share = (low + high) / 2;
          if (toLinear(f, a * share, b * share, color)) low = share; else high = share;
        }
        toLinear(f, a * low, b * low, color);
      }
      for (let c = 0; c < 3; c++) {
        const v = color[c];
        rgba[o + c] = CURVE[v <= 0 ? 0 : v >= 1 ? 65536 : (v * 65536 + 0.5) | 0];
      }
      rgba[o + 3] = 255;
    }
  }
  return rgba;
}

/** f(L), a, b -> linear RGB into `out`; whether sRGB can show it. */
function toLinear(f, a, b, out) {
  const fx = f + a / 500, fz = f - b / 200;
  const X = WHITE[0] * (fx > 0.2068966 ? fx * fx * fx : (fx - 16 / 116) / 7.787);
  const Y = f > 0.2068966 ? f * f * f : (f - 16 / 116) / 7.787;
  const Z = WHITE[2] * (fz > 0.2068966 ? fz * fz * fz : (fz - 16 / 116) / 7.787);
  const r = out[0] = TO_RGB[0] * X + TO_RGB[1] * Y + TO_RGB[2] * Z;
  const g = out[1] = TO_RGB[3] * X + TO_RGB[4] * Y + TO_RGB[5] * Z;
  const B = out[2] = TO_RGB[6] * X + TO_RGB[7] * Y + TO_RGB[8] * Z;
  const most = 1 + TOLERANCE;
  return r >= -TOLERANCE && g >= -TOLERANCE && B >= -TOLERANCE && r <= most && g <= most && B <= most;
}

/** The strips of rows that a picture is worked through in: [top, end) pairs. */
export function* strips(height, width) {
  const step = Math.max(1, Math.floor(STRIP / width));
  for (let top = 0; top < height; top += step) yield [top, Math.min(height, top + step)];
}
