import { format } from 'prettier';
import { isNear, type Errors, type Row } from './check.ts';
import { batches, type Clock } from './timing.ts';

/** What the table was measured with. */
export interface Conditions {
  readonly threads: number;
  /** What the times are. */
  readonly clock: Clock;
  readonly processor: string;
  /** What `ties.py` printed, a line an image. */
  readonly ties: readonly string[];
}

const count = (rows: readonly Row[], holds: (row: Row) => boolean): number => rows.filter(holds).length;

/** How many came out well, a line each. */
export function summary(rows: readonly Row[]): readonly string[] {
  const judged = rows.filter(({ gradient }) => gradient !== null);
  const bound = "1e-4, or ten times the error of PyTorch's own float32 where that is more";
  return [
    `${count(rows, ({ accepted }) => accepted)} of ${rows.length} files are accepted.`,
    `${count(rows, ({ logits }) => logits !== null && logits <= 1e-3)} of these give logits within 1e-3 of the file's own.`,
    `${count(judged, (row) => isNear(row, 'median'))} of ${judged.length} gradients are within the bound in the median image: ${bound}.`,
    `${count(judged, (row) => isNear(row, 'worst'))} of ${judged.length} are within it in every image.`,
    ...speeds(rows, 'files'),
    ...speeds(
      rows.filter(({ convolutional }) => convolutional),
      'files with at least as many convolutions as matrix products',
    ),
  ];
}

/** How our times compare with PyTorch's: the median and the slowest files at each batch, a line each. */
function speeds(rows: readonly Row[], what: string): readonly string[] {
  return batches.flatMap((batch) => {
    const ratios = rows
      .flatMap(({ model, exporter, times }) =>
        times.flatMap((time) =>
          time.batch === batch && time.torch !== null
            ? [{ name: `${model}@${exporter}`, ratio: time.ours / time.torch }]
            : [],
        ),
      )
      .toSorted((a, b) => a.ratio - b.ratio);
    if (ratios.length === 0) return [];
    const show = ({ name, ratio }: { name: string; ratio: number }): string => `${name} ${ratio.toFixed(2)}x`;
    const median = ratios[Math.floor((ratios.length - 1) / 2)]!.ratio.toFixed(2);
    const slowest = ratios.toReversed().slice(0, 5).map(show).join(', ');
    return `Batch ${batch}, ${ratios.length} ${what}: ${median}x the time of PyTorch in the median; the slowest: ${slowest}.`;
  });
}

const short = (x: number): string => x.toExponential(0).replace('e+0', '');

const showErrors = (errors: Errors | null): string =>
  errors ? `${short(errors.median)}, ${short(errors.worst)}` : '';

/** Milliseconds with two digits. */
const showTime = (x: number | null): string => (x === null ? '-' : x >= 10 ? x.toFixed(0) : x.toPrecision(2));

function cells({ model, exporter, opset, accepted, logits, gradient, torch, times }: Row): readonly string[] {
  return [
    model,
    exporter ?? '',
    String(opset ?? ''),
    accepted ? 'yes' : '**no**',
    logits === null ? '' : short(logits),
    showErrors(gradient),
    showErrors(torch),
    ...batches.map((batch) => {
      const time = times.find((t) => t.batch === batch);
      return time ? `${showTime(time.ours)} / ${showTime(time.torch)}` : '';
    }),
  ];
}

const tableOf = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

/** One line of the table, as it is printed. */
export const line = (row: Row): string => `| ${[...cells(row), row.remarks].join(' | ')} |`;

const head = [
  'model',
  'exporter',
  'opset',
  'accepted',
  'logits',
  'gradient',
  'PyTorch',
  'ms at 1',
  'ms at 32',
];

/** The head of the lines that are printed. */
export const printedHead: string = tableOf([...head, 'remarks'], []);

/** docs/models.md. */
export async function page(
  rows: readonly Row[],
  { threads, clock, processor, ties }: Conditions,
): Promise<string> {
  const rejected = rows.filter(({ accepted }) => !accepted);
  const isTimed = rows.some(({ times }) => times.length > 0);
  const text = `# Models that were tried

These are classifiers of torchvision, timm, transformers and Keras. They were exported as people export them and opened with
\`openClassifier\`. Weights are random. Statistics of batch norms and the last layer are set from images, so that answers differ.
These commands write the files, and then this page:

\`\`\`sh
python scripts/zoo/export.py FOLDER/own            # PyTorch's default exporter and its old one; some 40 minutes on two cores
python scripts/zoo/keras_export.py FOLDER/keras    # Keras, through tf2onnx
pnpm tsx scripts/zoo.ts FOLDER --keep --json rows.json --time --clock processor --threads 1 --python PATH
python scripts/zoo/ties.py FOLDER/*/*@* > ties.txt
pnpm tsx scripts/zoo.ts FOLDER --json rows.json --clock processor --threads 1 --ties ties.txt --page docs/models.md
\`\`\`

${summary(rows)
  .map((text_) => `- ${text_}`)
  .join('\n')}

A file counts as accepted when it has a gradient and passes the self-check: its gradient graph gives the same logits as the file.

## The table

- **logits**: the largest difference from the file in ONNX Runtime, over the largest logit.
- **gradient**: how far our gradient of the cross-entropy is from autograd in float64, ‖ours − exact‖ / ‖exact‖, in the median and
  in the worst image. **PyTorch** is the same of its autograd in float32 (for Keras files, TensorFlow's).
${
  isTimed
    ? `- **ms**: a forward pass with the gradient, here / in PyTorch eager, at batch 1 and 32, ${clock} time, threads each: ${threads}, the median of at least three runs; ${processor}. Rows without were not timed.\n`
    : ''
}
${tableOf(
  isTimed ? head : head.slice(0, -batches.length),
  rows.map((row) => (isTimed ? cells(row) : cells(row).slice(0, -batches.length))),
)}

## Images at a kink

An element may lie within rounding of the kink of a ReLU, or of a tie in a max-pool. Float32 may take the other side there than
float64, and the image's gradient is that of the neighbouring piece. \`scripts/zoo/ties.py\` looks for such elements in images whose
gradient is outside the bound: it mirrors them at their kink in float64, and tells how near the gradient comes.

${ties.length === 0 ? 'It was not run.' : ties.map((tie) => `- ${tie}`).join('\n')}

## What is rejected

${
  rejected.length === 0
    ? 'None of these files.'
    : tableOf(
        ['model', 'exporter', 'why'],
        rejected.map(({ model, exporter, remarks }) => [model, exporter ?? '', remarks]),
      )
}
`;
  return await format(text, { parser: 'markdown', printWidth: 110 });
}
