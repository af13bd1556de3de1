import type { Audit } from '../../runtime/audit/document.ts';

/** An audit as a robustness card: Markdown, to be pasted into a model card. */
export function auditCard(audit: Audit): string {
  const { classifier, data, threat, images, clean, worst, attacks, checks, notMeasured, demands } = audit;
  const doubts = checks.filter(({ level }) => level === 'doubt');
  const notes = checks.filter(({ level }) => level === 'note');
  const measured = data.labels === 'answers' ? 'agreement with its own clean answers' : 'accuracy';
  return [
    `## Robustness of ${text(classifier.name)}`,
    '',
    `**${percent(worst.accuracy)}** robust ${measured} (95 % interval ${interval(worst.interval)}) under ` +
      `${normOf(audit)} perturbations of at most ${epsText(threat.eps)}, on ${images} images of ${text(data.name)}; ` +
      `${percent(clean.accuracy)} without an attack.`,
    ...(doubts.length > 0
      ? ['', '**This number is in doubt and is no proof of robustness:**', '', ...doubts.map(line)]
      : []),
    '',
    '| | accuracy | 95 % interval |',
    '| --- | ---: | ---: |',
    row('no attack', clean.accuracy, clean.interval),
    ...Object.values(attacks).map(({ title, given, accuracy, interval: range }) =>
      row(given === 'all' ? title : `${title}, on what was left`, accuracy, range),
    ),
    row('**worst case**', worst.accuracy, worst.interval),
    '',
    'In the worst case an image counts as right only when it is right under every attack. Attacks that were not tried may ' +
      'break more: the number is an upper bound.',
    ...(notes.length > 0 ? ['', 'Notes:', '', ...notes.map(line)] : []),
    ...(notMeasured.length > 0
      ? ['', 'Not measured:', '', ...notMeasured.map(({ what, why }) => `- ${text(what)}: ${text(why)}`)]
      : []),
    ...(demands.length > 0
      ? [
          '',
          'Demanded:',
          '',
          ...demands.map(({ met, text: said }) => `- ${met ? 'met' : '**not met**'}: ${text(said)}`),
        ]
      : []),
    '',
    '<details><summary>How it was measured</summary>',
    '',
    `- classifier: ${text(classifier.name)}, SHA-256 \`${classifier.sha256}\``,
    ...classifier.facts.map((fact) => `- ${fact.about}: ${text(fact.text)}`),
    `- data: ${text(data.source)}, the first ${images} images, SHA-256 \`${data.sha256}\``,
    ...(data.skipped.length > 0
      ? [`- ${data.skipped.length} images could not be read and were left out`]
      : []),
    `- threat: untargeted, ${normOf(audit)}, eps ${threat.eps}, pixels in 0..1, seed ${audit.seed}`,
    ...Object.values(attacks).map(
      ({ title, settings, attacked, broken, queries }) =>
        `- ${title}: broke ${broken} of ${attacked} images with ${queries.forward} answers and ${queries.backward} ` +
        `gradients; \`${JSON.stringify(settings)}\``,
    ),
    `- Sparring ${audit.environment.sparring}, ONNX Runtime ${audit.environment.onnxruntime}, ` +
      `${audit.environment.device}, ${audit.environment.threads} threads`,
    '',
    '</details>',
    '',
  ].join('\n');
}

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;
const interval = ({ low, high }: Audit['worst']['interval']): string => `${percent(low)} to ${percent(high)}`;
const normOf = ({ threat }: Pick<Audit, 'threat'>): string => (threat.norm === 'linf' ? 'L∞' : 'L2');

/** As a number, and in steps of 8 bits where it is one. */
function epsText(eps: number): string {
  const steps = 255 * eps;
  const rounded = Math.round(steps);
  const short = String(Number(eps.toPrecision(4)));
  return rounded > 0 && Math.abs(steps - rounded) < 1e-6 ? `${rounded}/255 (${short})` : short;
}

const row = (name: string, accuracy: number, range: Audit['worst']['interval']): string =>
  `| ${name === '**worst case**' ? name : text(name)} | ${percent(accuracy)} | ${interval(range)} |`;

const line = ({ title, whatToDo }: Audit['checks'][number]): string => `- ${text(title)}. ${text(whatToDo)}`;

/** Text that Markdown shows as it is. */
const text = (given: string): string => given.replace(/[\\`*_[\]<>|]/g, String.raw`\$&`).replace(/\s+/g, ' ');
