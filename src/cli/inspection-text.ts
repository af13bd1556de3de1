import type { DataReport, Inspection } from './inspection.ts';
import { showPort } from '../models/classifier/images.ts';

/** What was found out about a model, for people: a line a fact. */
export function inspectionText({ model, file, classifier, gradient, selfCheck, data }: Inspection): string {
  const opsets = Object.entries(file.opsets).map(([domain, version]) =>
    domain === 'ai.onnx' ? `opset ${version}` : `${domain} ${version}`,
  );
  const rows: (readonly [what: string, text: string])[] = [
    ['model', model],
    ['written by', [file.producer || 'unknown', `IR ${file.ir}`, ...opsets].join(', ')],
    ['inputs', file.inputs.map(showPort).join(', ')],
    ['outputs', file.outputs.map(showPort).join(', ')],
    [
      'operators',
      Object.entries(file.operators)
        .map(([name, count]) => `${name} ${count}`)
        .join(', '),
    ],
    ['parameters', `${file.parameters}${file.external.length > 0 ? `, in ${file.external.join(', ')}` : ''}`],
  ];
  if (classifier) {
    const { image, classes, labels, facts, notes } = classifier;
    rows.push(['images', `${image.channels} x ${image.height} x ${image.width} (channels, height, width)`]);
    rows.push(['classes', `${classes}${labels ? `: ${some(labels, 5)}` : ''}`]);
    rows.push(...facts.map(({ about, text }) => [about, text] as const));
    rows.push(...notes.map((text) => ['note', text] as const));
  }
  rows.push(['gradient', gradient.exists ? 'yes' : `no: ${gradient.reason}`]);
  for (const { what, count, node } of gradient.missing) {
    rows.push(['missing', `${what} (node ${node}${count > 1 ? `, ${count} in all` : ''})`]);
  }
  if (selfCheck) {
    const { images, apart, tolerance } = selfCheck;
    rows.push([
      'self-check',
      images === 0
        ? 'the file gives no numbers to random images, so nothing was compared'
        : `logits within ${apart.toPrecision(2)} of the file's on ${images} random images (allowed ${tolerance})`,
    ]);
  }
  const width = Math.max(...rows.map(([what]) => what.length));
  const lines = rows.map(([what, text]) => `${what.padEnd(width)}  ${text}`);
  return [...lines, ...(data ? ['', ...dataLines(data)] : [])].join('\n');
}

const some = (names: readonly string[], most: number): string =>
  names.length > most ? `${names.slice(0, most).join(', ')}, ...` : names.join(', ');

/** A difference of accuracy that is not chance. */
const worthSaying = 0.02;

function dataLines({ name, images, understood, candidates }: DataReport): readonly string[] {
  const percent = (accuracy: number): string => `${(100 * accuracy).toFixed(1)} %`.padStart(7);
  const flags = ({
    scale,
    mean,
    std,
    channels,
    layout,
  }: DataReport['candidates'][number]['options']): string =>
    [
      ...(scale ? ['--scale', scale] : []),
      ...(mean ? ['--mean', mean.join()] : []),
      ...(std ? ['--std', std.join()] : []),
      ...(channels === 'bgr' ? ['--channels', channels] : []),
      ...(layout ? ['--layout', layout] : []),
    ].join(' ');
  const [best] = candidates;
  const verdict =
    best && best.accuracy > understood + worthSaying
      ? `the preprocessing is more likely ${flags(best.options)}`
      : 'no usual preprocessing does better than what was understood';
  return [
    `accuracy on ${images} images of ${name}:`,
    `${percent(understood)}  as understood`,
    ...candidates.map(({ options, accuracy }) => `${percent(accuracy)}  ${flags(options)}`),
    verdict,
  ];
}
