/** What the library notes, as a sentence. One that begins with a name keeps its letters. */
export function sentence(note: string): string {
  const begun = note.replace(/^(?:a|the) /, (word) => word.charAt(0).toUpperCase() + word.slice(1));
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
