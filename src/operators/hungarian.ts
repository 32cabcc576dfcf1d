/**
 * The assignment of rows to columns with the lowest total cost (Kuhn 1955; shortest augmenting paths with potentials,
 * after Jonker and Volgenant 1987). Forbidden pairs have the cost `Infinity`.
 *
 * @param cost one array per row, all of the same length
 * @returns for each row its column, or -1 if it has none
 */
export function assign(cost: readonly (readonly number[])[]): number[] {
  const rows = cost.length;
  const columns = cost[0]?.length ?? 0;
  // A forbidden pair costs a finite amount, more than any chain of allowed pairs could save.
  const finite = cost.flat().filter(Number.isFinite);
  const forbidden = 1 + finite.reduce((sum, value) => sum + Math.abs(value), 0) * 2;
  const at = (row: number, column: number) => {
    const value = cost[row]?.[column];
    return value !== undefined && Number.isFinite(value) ? value : forbidden;
  };
  // The shorter side chooses among the longer; filling up the shorter one would take the cube of the longer.
  const turned = rows > columns;
  const owner = turned
    ? augment(columns, rows, (row, column) => at(column, row))
    : augment(rows, columns, at);
  const result = new Array<number>(rows).fill(-1);
  for (const [i, chooser] of owner.entries()) {
    if (i === 0 || chooser === 0) continue;
    const [row, column] = turned ? [i - 1, chooser - 1] : [chooser - 1, i - 1];
    if (Number.isFinite(cost[row]?.[column])) result[row] = column;
  }
  return result;
}

/** Row (from 1) of each column (from 1), or 0; there must be at least as many columns as rows. */
function augment(rows: number, columns: number, cost: (row: number, column: number) => number): Int32Array {
  const rowPotential = new Float64Array(rows + 1);
  const columnPotential = new Float64Array(columns + 1);
  const owner = new Int32Array(columns + 1);
  const previous = new Int32Array(columns + 1);
  for (let row = 1; row <= rows; row++) {
    owner[0] = row;
    let column = 0;
    const least = new Float64Array(columns + 1).fill(Number.POSITIVE_INFINITY);
    const used = new Uint8Array(columns + 1);
    do {
      used[column] = 1;
      const from = owner[column] ?? 0;
      let step = Number.POSITIVE_INFINITY;
      let next = 0;
      for (let j = 1; j <= columns; j++) {
        if (used[j]) continue;
        const reduced = cost(from - 1, j - 1) - (rowPotential[from] ?? 0) - (columnPotential[j] ?? 0);
        if (reduced < (least[j] ?? 0)) {
          least[j] = reduced;
          previous[j] = column;
        }
        if ((least[j] ?? 0) < step) {
          step = least[j] ?? 0;
          next = j;
        }
      }
      for (let j = 0; j <= columns; j++) {
        if (used[j]) {
          rowPotential[owner[j] ?? 0] = (rowPotential[owner[j] ?? 0] ?? 0) + step;
          columnPotential[j] = (columnPotential[j] ?? 0) - step;
        } else least[j] = (least[j] ?? 0) - step;
      }
      column = next;
    } while (owner[column] !== 0);
    for (; column !== 0; column = previous[column] ?? 0) owner[column] = owner[previous[column] ?? 0] ?? 0;
  }
  return owner;
}
