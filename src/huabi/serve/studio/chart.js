/** A small chart of curves, as SVG: one line for each, their heights shared. */
import { el, shape } from "./dom.js";

const WIDE = 560;
const HIGH = 210;
const LEFT = 46;
const LOW = 26;
const TOP = 8;
const POINTS = 240; // of a line

/** A thousand as 1k, small numbers by three digits. */
export function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
  return String(+value.toPrecision(3));
}

function thin(points) {
  const stride = Math.ceil(points.length / POINTS) || 1;
  return points.filter((_, k) => k % stride === 0 || k === points.length - 1);
}

/** A figure of `curves`, {name: [[x, y], ...]}; the ends of 2 % are cut, so that one spike hides nothing. */
export function chart(curves, words) {
  const names = Object.keys(curves);
  const points = names.flatMap((name) => curves[name]).filter(([, y]) => Number.isFinite(y));
  const heights = points.map(([, y]) => y).sort((a, b) => a - b);
  const at = (part) => heights[Math.round(part * (heights.length - 1))] ?? 0;
  let [low, high] = [at(0.01), at(0.99)];
  if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5];
  const last = Math.max(1, ...points.map(([x]) => x));
  const across = (x) => LEFT + (x / last) * (WIDE - LEFT - 8);
  const down = (y) => TOP + (1 - (Math.min(high, Math.max(low, y)) - low) / (high - low)) * (HIGH - TOP - LOW);
  const svg = shape("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img" });
  for (const part of [0, 0.5, 1]) {
    const y = low + part * (high - low);
    svg.append(shape("line", { class: "grid", x1: LEFT, x2: WIDE - 8, y1: down(y), y2: down(y) }));
    svg.append(shape("text", { x: LEFT - 8, y: down(y) + 4, "text-anchor": "end" }, short(y)));
    svg.append(shape("text", { x: across(part * last), y: HIGH - 6, "text-anchor": ["start", "middle", "end"][part * 2] }, short(Math.round(part * last))));
  }
  names.forEach((name, k) => {
    const line = thin(curves[name].filter(([, y]) => Number.isFinite(y))).map(([x, y]) => `${across(x).toFixed(1)},${down(y).toFixed(1)}`);
    if (line.length) svg.append(shape("polyline", { class: `line c${k % 6}`, points: line.join(" ") }));
  });
  const legend = el("div", { class: "legend" }, names.map((name, k) => {
    const end = curves[name].findLast(([, y]) => Number.isFinite(y))?.[1];
    return el("span", { class: `c${k % 6}` }, el("i"), `${name} ${end === undefined ? "" : short(end)}`);
  }));
  return el("div", { class: "chart", label: words }, svg, legend);
}

/** A score with its interval, as far as there is one. */
export function figure(score) {
  return score.low === null ? short(score.value) : `${short(score.value)} (${short(score.low)} – ${short(score.high)})`;
}
