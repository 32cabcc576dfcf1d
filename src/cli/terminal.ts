/** Text in lines that fit the terminal, 100 columns at most. */
export function wrap(text: string, columns: number = Math.min(process.stdout.columns ?? 100, 100)): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}
