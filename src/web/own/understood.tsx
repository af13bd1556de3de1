import type { Understood } from './engine/protocol.ts';

const headings = {
  input: 'Input',
  layout: 'Layout',
  preprocessing: 'Preparation',
  pictures: 'Pictures',
  batch: 'Batch',
  output: 'Output',
  labels: 'Classes',
} as const satisfies Record<Understood['facts'][number]['about'], string>;

/** What was found in the file or assumed of it. */
export function UnderstoodList({
  understood,
  name,
}: {
  readonly understood: Understood;
  readonly name: string;
}) {
  const { image, classes, facts, notes, selfCheck, noGradient, producer, opset, parameters, external } =
    understood;
  const rows: readonly (readonly [string, string])[] = [
    [
      'File',
      [
        name,
        producer && `written by ${producer}`,
        opset !== null && `opset ${opset}`,
        `${parameters.toLocaleString('en')} parameters`,
        external.length > 0 && `weights in ${external.join(', ')}`,
      ]
        .filter(Boolean)
        .join(', '),
    ],
    [
      'Images',
      `${image.width}x${image.height}, ${image.channels === 1 ? 'grey' : `${image.channels} channels`}, ${classes} classes`,
    ],
    ...facts.map(({ about, text }) => [headings[about], text] as const),
    [
      'Gradient',
      noGradient === null
        ? `made here; its graph answers as the file does${selfCheck ? apartText(selfCheck.apart) : ''}`
        : `none: ${noGradient}`,
    ],
    ...notes.map((note) => ['Note', note] as const),
  ];
  return (
    <section class="block understood" aria-labelledby="understood-title">
      <h2 id="understood-title">What was understood</h2>
      <dl>
        {rows.map(([term, text]) => (
          <div>
            <dt>{term}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

const apartText = (apart: number): string =>
  apart === 0 ? ', exactly' : `, within ${apart.toPrecision(1)} of the largest logit`;
