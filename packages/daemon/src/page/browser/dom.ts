/** Elements with few words. What is already so is not set again, so that a turn in which nothing changed costs no layout. */

type Child = Node | string

/** `class`, `aria-…` and the like; undefined: not there. */
type Attributes = Readonly<Record<string, string | undefined>>

export const el = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: ReadonlyArray<Child>
): HTMLElementTagNameMap[K] => {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, value)
  element.append(...children)
  return element
}

export const setText = (element: Element, text: string): void => {
  if (element.textContent !== text) element.textContent = text
}

export const setAttribute = (element: Element, name: string, value: string | undefined): void => {
  if (value === undefined) element.removeAttribute(name)
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value)
}

/** A share between 0 and 1, as a width. */
export const setWidth = (element: HTMLElement, share: number): void => {
  const width = `${(Math.min(1, Math.max(0, share)) * 100).toFixed(1)}%`
  if (element.style.width !== width) element.style.width = width
}

/** These children in this order; those that are in place already stay untouched. */
export const setChildren = (parent: Element, children: ReadonlyArray<Node>): void => {
  children.forEach((child, i) => {
    const there = parent.childNodes[i]
    if (there !== child) parent.insertBefore(child, there ?? null)
  })
  while (parent.childNodes.length > children.length) parent.lastChild!.remove()
}

/** A figure with its name over it and a remark below. */
export const figure = (name: string, help: string) => {
  const value = el("dd", { class: "value" })
  const remark = el("dd", { class: "remark" })
  return {
    element: el("div", { class: "figure", title: help }, el("dt", {}, name), value, remark),
    set: (text: string, more = "", tone?: string): void => {
      setText(value, text)
      setText(remark, more)
      setAttribute(value, "data-tone", tone)
    }
  }
}

/** How much a share of stalled time deserves to be looked at. */
export const pressureTone = (value: number | undefined | null): string | undefined =>
  value === undefined || value === null || value < 1 ? undefined : value < 10 ? "warn" : "bad"
