/** A cell of a table: text, or a number with what stands below it in small print. */
export type DataCell = string | Figured;

/** A number in a table. */
export interface Figured {
  /** `98.7 %` */
  readonly value: string;
  /** Its interval: `[98.5, 98.9]`. */
  readonly detail: string;
  /** The part of all images that are classified wrong, 0 to 1: shown as a colour. */
  readonly lost?: number;
}

/** Numbers with their names above and before them. */
export interface DataTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly DataCell[])[];
}

/** A cell on one line: `98.7 % [98.5, 98.9]`. */
export const cellText = (cell: DataCell): string =>
  typeof cell === 'string' ? cell : `${cell.value} ${cell.detail}`;
