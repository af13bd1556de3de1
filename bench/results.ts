import Table from 'cli-table3';

/** One line of the table: the same job on every side. */
export interface Row {
  readonly job: string;
  readonly batch: number;
  readonly unit: 'ms' | 'MiB';
  /** By side, ours first; a side that does not do the job is absent. Times are medians. */
  readonly values: Readonly<Record<string, number>>;
}

/** The GEMM floor of the attacker's step: what it would take if it were nothing but products, at the best rate seen. */
export interface Floor {
  readonly batch: number;
  /** Best of the products of floor.ts, timed between the steps. */
  readonly gflops: number;
  /** With every tap of the kernels, those on padding too: the usual count. */
  readonly whole: OverFloor;
  /** With those taps only that lie on the image, which are all that must be multiplied. */
  readonly unpadded: OverFloor;
}

interface OverFloor {
  readonly gflop: number;
  readonly milliseconds: number;
  /** Our step over the floor. */
  readonly ratio: number;
}

/** What `pnpm bench` writes. */
export interface Results {
  readonly schema: 3;
  readonly command: string;
  readonly environment: Readonly<Record<string, string | number>>;
  readonly sides: readonly { readonly name: string; readonly kernel: string }[];
  readonly rows: readonly Row[];
  readonly floors: readonly Floor[];
}

/** The results as people read them: a table, the floor, the kernels. */
export function printed({ sides, rows, floors }: Results): string {
  const [us, ...others] = sides.map(({ name }) => name);
  const table = new Table({
    head: ['job', 'batch', us!, 'an image', ...others.flatMap((name) => [name, 'ratio'])],
    style: { head: [], border: [] },
  });
  for (const { job, batch, unit, values } of rows) {
    const show = (value: number): string => `${value.toFixed(unit === 'MiB' ? 0 : 2)} ${unit}`;
    const ours = values[us!]!;
    const cells = others.flatMap((name) => {
      const value = values[name];
      return value === undefined ? ['', ''] : [show(value), `${ratioOf(ours, value)}x`];
    });
    table.push([job, batch, show(ours), unit === 'ms' ? (ours / batch).toFixed(3) : '', ...cells]);
  }
  const show = ({ milliseconds, gflop, ratio }: OverFloor): string =>
    `${milliseconds.toFixed(0)} ms (${gflop.toFixed(1)} GFLOP), ours is ${ratio.toFixed(2)}x of it`;
  const lines = floors.map(
    ({ batch, gflops, whole, unpadded }) =>
      `GEMM floor of the attacker step at batch ${batch} and ${gflops.toFixed(0)} GFLOP/s: ${show(whole)}; ` +
      `without products of padding ${show(unpadded)}`,
  );
  return [table.toString(), ...lines, ...sides.map(({ name, kernel }) => `${name}: ${kernel}`)].join('\n');
}

/** With two decimals, or as many as show two digits. */
const ratioOf = (ours: number, theirs: number): string => {
  const ratio = ours / theirs;
  return ratio < 0.1 ? String(Number(ratio.toPrecision(2))) : ratio.toFixed(2);
};
