// What a reader with weak eyes, or none, would stumble over in one output: a list of sentences.
(area) => {
  const found = [];
  const shown = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const rgba = (text) => {
    const parts = text.match(/[\d.]+/g).map(Number);
    const full = text.startsWith("color(") ? parts.map((p, i) => (i < 3 ? 255 * p : p)) : parts;
    return [...full.slice(0, 3), full.length > 3 ? full[3] : 1];
  };
  const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
  const light = (rgb) => {
    const part = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(rgb[0]) + 0.7152 * part(rgb[1]) + 0.0722 * part(rgb[2]);
  };
  const contrast = (element) => {
    const chain = [];
    for (let e = element; e; e = e.parentElement) chain.unshift(getComputedStyle(e));
    let under = [255, 255, 255], opacity = 1;
    for (const style of chain) {
      opacity *= style.opacity;
      const layer = rgba(style.backgroundColor);
      under = over([...layer.slice(0, 3), layer[3] * opacity], under);
    }
    const ink = rgba(chain.at(-1).color);
    const text = over([...ink.slice(0, 3), ink[3] * opacity], under);
    const [low, high] = [light(text), light(under)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };

  const boxes = [];
  const walker = document.createTreeWalker(area, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement, said = node.data.trim();
    if (!said || !shown(parent) || parent.closest("style, script, option, .jp-OutputPrompt")) continue;
    if (parent.matches("details:not([open])")) continue;
    const name = JSON.stringify(said.slice(0, 40)), size = parseFloat(getComputedStyle(parent).fontSize);
    if (size < 11) found.push(`${name} is ${size} px high`);
    const idle = parent.closest(":disabled, [disabled], :has(> :disabled), .widget-slider:has([disabled])");
    const ratio = contrast(parent);
    if (!idle && ratio < 4.5) found.push(`${name} has a contrast of ${ratio.toFixed(2)}`);
    const range = document.createRange();
    range.selectNodeContents(node);
    const inside = parent.closest("button, select, .widget-readout") || parent;
    for (const box of range.getClientRects()) boxes.push([name, box, inside]);
  }
  for (const control of area.querySelectorAll("button, select, input, .noUi-target, .widget-readout, img"))
    if (shown(control)) {
      const name = control.matches("img") ? "the picture" : `a ${control.tagName.toLowerCase()}`;
      boxes.push([name, control.getBoundingClientRect(), control]);
    }
  for (const [i, [name, a, one]] of boxes.entries())
    for (const [other, b, two] of boxes.slice(i + 1)) {
      if (one.contains(two) || two.contains(one)) continue;
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 2 && high > 2) found.push(`${name} and ${other} overlap`);
    }

  for (const picture of area.querySelectorAll("img")) {
    if (!shown(picture)) continue;
    if (!picture.alt.trim()) found.push("a picture says nothing to those who hear");
    if (/<\/?(b|br|i|code|div|span)\b|&\w+;/.test(picture.alt)) found.push("a picture says its marks aloud");
    // Type in a picture is 12 pixels high where the picture is as wide as it was made.
    const made = Number(picture.getAttribute("width")), wide = picture.getBoundingClientRect().width;
    if (made && (12 * wide) / made < 11) found.push(`a picture of ${made} px is ${wide} px wide`);
  }
  return found;
}
