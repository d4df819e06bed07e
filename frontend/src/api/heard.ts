/** For an effect to return: tells how the asking ended, unless the effect has run again by then or its component is gone. */
export function heard<T>(asking: Promise<T>, well: (found: T) => void, badly: (error: unknown) => void): () => void {
  let over = false;
  asking.then(
    (found) => { if (!over) well(found); },
    (error: unknown) => { if (!over) badly(error); },
  );
  return () => void (over = true);
}
