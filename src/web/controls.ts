import { byId, element } from "./element.js";

export interface Actions {
  pause(paused: boolean): void;
  /** The theme has changed. */
  themed(): void;
  /** A camera by index; undefined: all. */
  camera(index: number | undefined): void;
  span(ms: number): void;
}

const SPANS = [
  { ms: 30_000, name: "30 s" },
  { ms: 60_000, name: "1 min" },
  { ms: 300_000, name: "5 min" },
] as const;

const SHORTCUTS = "shortcuts";

/** The buttons and their keyboard shortcuts. */
export class Controls {
  readonly #actions: Actions;
  readonly #pause = byId<HTMLButtonElement>("pause");
  readonly #shortcuts = byId<HTMLInputElement>("shortcuts");
  readonly #spans: HTMLButtonElement[];
  paused = false;
  #span = 1;

  constructor(actions: Actions) {
    this.#actions = actions;
    this.#spans = SPANS.map(({ name }, i) => {
      const button = element("button", { type: "button", title: `Show ${name} (w)` }, name);
      button.onclick = () => this.#show(i);
      return button;
    });
    byId("spans").append(...this.#spans);
    this.#press(this.#span);
    this.#pause.onclick = () => this.#setPaused(!this.paused);
    byId("theme").onclick = () => this.#theme();
    this.#nameTheme();
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => {
      this.#nameTheme();
      actions.themed();
    });
    const about = byId<HTMLDialogElement>("about");
    byId("help").onclick = () => about.showModal();
    this.#shortcuts.checked = remembered(SHORTCUTS) !== "off";
    this.#shortcuts.onchange = () => remember(SHORTCUTS, this.#shortcuts.checked ? "on" : "off");
    addEventListener("keydown", (event) => this.#key(event, about));
  }

  #key(event: KeyboardEvent, about: HTMLDialogElement): void {
    const target = event.target instanceof Element ? event.target : undefined;
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (target?.matches("input")) return;
    // Speech input types the letters of what it hears (WCAG 2.1.4).
    if (!this.#shortcuts.checked && event.key.length === 1) return;
    if (event.key === " " && !target?.matches("button, #events, #faces")) this.#setPaused(!this.paused);
    else if (event.key === "t") this.#theme();
    else if (event.key === "w") this.#show((this.#span + 1) % SPANS.length);
    else if (event.key === "?") about.showModal();
    else if (event.key === "0" || event.key === "Escape") this.#actions.camera(undefined);
    else if (/^[1-9]$/.test(event.key)) this.#actions.camera(Number(event.key) - 1);
    else return;
    event.preventDefault();
  }

  #setPaused(paused: boolean): void {
    this.paused = paused;
    const name = paused ? "Resume" : "Pause";
    this.#pause.setAttribute("aria-label", name);
    this.#pause.title = `${name} (space)`;
    document.documentElement.toggleAttribute("data-paused", paused);
    this.#actions.pause(paused);
  }

  #show(index: number): void {
    this.#press(index);
    this.#actions.span(SPANS[index]?.ms ?? SPANS[1].ms);
  }

  #press(index: number): void {
    this.#span = index;
    for (const [i, button] of this.#spans.entries()) button.setAttribute("aria-pressed", String(i === index));
  }

  /** Switches to the other theme while the tab is open. */
  #theme(): void {
    const root = document.documentElement;
    root.dataset.theme = isLight() ? "dark" : "light";
    this.#nameTheme();
    this.#actions.themed();
  }

  #nameTheme(): void {
    byId("theme").setAttribute("aria-label", isLight() ? "Dark theme" : "Light theme");
  }
}

function isLight(): boolean {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "light" : matchMedia("(prefers-color-scheme: light)").matches;
}

/** Undefined too where the browser keeps nothing for this page. */
function remembered(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {}
}
