"""What a browser needs to hear: names for what ipywidgets leaves nameless, and all keys.

A slider of ipywidgets 8 shows its description beside it, but the handle that takes the keyboard is
a bare element: no label, no title, nothing that a screen reader could say. No trait of the widget
reaches that handle. So each view carries this script, which copies the visible descriptions to
where browsers look for names. It adds no extension and changes nothing that is seen; a front end
that runs no scripts shows the same widgets, only nameless as before.

It also keeps keys where they are pressed: in JupyterLab the arrow keys walk from cell to cell even
while a list or a radio button has the focus, and B adds a cell, unless the element with the focus
asks to be spared.
"""

import ipywidgets

VIEW, WORDS = "grpo-view", "grpo-words"
SCRIPT = f"""
(function begin(tries) {{
  const view = element.closest(".{VIEW}");
  if (!view) {{ if (tries) setTimeout(begin, 50, tries - 1); return; }}
  function name() {{
    for (const slider of view.querySelectorAll(".widget-slider")) {{
      const label = slider.querySelector("label").textContent;
      const handle = slider.querySelector(".noUi-handle");
      const off = slider.querySelector(".noUi-target")?.hasAttribute("disabled") || false;
      handle?.setAttribute("aria-label", label);
      handle?.setAttribute("aria-disabled", off);
      handle?.setAttribute("tabindex", off ? -1 : 0);
      const number = slider.querySelector(".widget-readout");
      number?.setAttribute("role", "textbox");
      number?.setAttribute("aria-label", label + ", typed");
    }}
    const keys = "select, input, button, .noUi-handle, .widget-readout";
    for (const control of view.querySelectorAll(keys))
      control.setAttribute("data-lm-suppress-shortcuts", "true");
    const title = view.querySelector("b")?.textContent || "";
    for (const options of view.querySelectorAll(".widget-radio-box")) {{
      options.setAttribute("role", "radiogroup");
      options.setAttribute("aria-label", title);
      options.dataset.group = options.dataset.group || "group" + Math.random();
      for (const radio of options.querySelectorAll("input")) radio.name = options.dataset.group;
    }}
    const said = view.querySelector(".{WORDS}");
    said?.setAttribute("role", "status");
    const alt = said?.textContent.trim() || title;
    for (const picture of view.querySelectorAll("img.widget-image"))
      if (picture.alt !== alt) picture.alt = alt;
  }}
  name();
  new MutationObserver(name).observe(view,
    {{childList: true, subtree: true, attributes: true, attributeFilter: ["disabled"]}});
}})(200);
"""


def named(view: ipywidgets.Box) -> ipywidgets.Box:
    """``view`` with names: sliders after their descriptions, pictures after their sentence.

    Text of class `WORDS` becomes a status, which screen readers say when it changes.
    """
    script = {"output_type": "display_data", "metadata": {}}
    script["data"] = {"application/javascript": SCRIPT, "text/plain": ""}
    unseen = ipywidgets.Layout(display="none")
    view.add_class(VIEW)
    view.children = [*view.children, ipywidgets.Output(outputs=(script,), layout=unseen)]
    return view
