/**
 * By which names wmod may be asked over HTTP. A page of somebody else whose own name was made to point here (DNS rebinding) asks by that name, and is
 * refused; addresses are no names, and nobody can point `localhost` or this machine's name elsewhere but its owner. Pure.
 */

const ofHeader = (header: string): string | undefined => /^(\[[0-9a-f:.]+\]|[^:/@\s]+)(?::\d{1,5})?$/i.exec(header)?.[1]?.toLowerCase()

const isAddress = (name: string): boolean => name.startsWith("[") || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(name)

/** `header`: what a request says as its `Host`. `names`: others than `localhost`, in any case. */
export const isOurName = (header: string | undefined, names: ReadonlyArray<string>): boolean => {
  const name = ofHeader(header ?? "")
  if (name === undefined) return false
  return isAddress(name) || name === "localhost" || name.endsWith(".localhost") || names.some((each) => each.toLowerCase() === name)
}
