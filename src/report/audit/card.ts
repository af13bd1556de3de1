import type { Audit } from '../../runtime/audit/document.ts';
import { count } from '../kit/format.ts';
import { headline } from './headline.ts';
import { auditCommand, normWords } from './provenance.ts';
import { doubtsOf, ends, imagesChosen, knowledgeOf, knowledgeWords, part, sentence } from './words.ts';

/**
 * A robustness card: an audit as Markdown, short enough to paste into a model card. Where a check doubts the numbers, that
 * stands above them.
 */
export function auditCard(audit: Audit): string {
  const { text, more } = headline(audit);
  const blocks = [
    `## Robustness of ${plain(audit.classifier.name)}`,
    warning(audit),
    `**${plain(text)}**`,
    plain(more.join(' ')),
    table(audit),
    facts(audit),
    'To measure it again, run:',
    `${fence(auditCommand(audit))}sh\n${auditCommand(audit)}\n${fence(auditCommand(audit))}`,
  ];
  return `${blocks.filter((block) => block !== '').join('\n\n')}\n`;
}

/** Words in which nothing is markup: names of files and classes may hold anything. */
const plain = (words: string): string =>
  words.replaceAll(/[\r\n]+/g, ' ').replaceAll(/[\\`*_[\]<>|#~]/g, String.raw`\$&`);

/** The fence of a code block that no backticks within it end. */
const fence = (code: string): string =>
  '`'.repeat(Math.max(3, ...(code.match(/`+/g) ?? []).map(({ length }) => length + 1)));

function warning(audit: Audit): string {
  const doubts = doubtsOf(audit);
  if (doubts.length === 0) return '';
  return [
    '> **Do not trust the accuracy under attack below.**',
    ...doubts.map(({ id, title, why }) => `> - ${plain(sentence(title))} ${plain(why)} (${plain(id)})`),
  ].join('\n');
}

const allName = {
  measured: 'Every attack (robust accuracy, an upper bound)',
  doubt: 'Every attack (in doubt)',
  nothing: 'What was tried (no measure of robustness)',
} as const;

function table(audit: Audit): string {
  const { clean, attacks, worst, data } = audit;
  const all = allName[headline(audit).kind];
  const row = (name: string, { accuracy, interval }: Pick<Audit['worst'], 'accuracy' | 'interval'>): string =>
    `| ${name} | ${part(accuracy)} | ${ends(interval)} |`;
  return [
    `| under | ${data.labels === 'answers' ? 'same answer' : 'accuracy'} | 95 % interval |`,
    '| --- | ---: | ---: |',
    row('No attack', clean),
    ...Object.values(attacks).map((attack) =>
      row(
        `${plain(attack.title)}${attack.unfinished ? ', unfinished' : ''}${attack.given === 'left' ? ', after those above' : ''}`,
        attack,
      ),
    ),
    row(`**${all}**`, worst),
  ].join('\n');
}

function facts(audit: Audit): string {
  const { threat, data, classifier, seed, notMeasured, environment, checks, demands } = audit;
  const [low, high] = threat.range;
  const notes = checks.filter(({ level }) => level === 'note');
  const lines: readonly (readonly [name: string, value: string])[] = [
    ['Threat model', `untargeted, ${normWords(threat)}; pixels within ${low} to ${high}`],
    ['Attacker knows', knowledgeWords[knowledgeOf(audit)]],
    ['Data', `${data.name}: ${imagesChosen(audit)}; seed ${seed}, SHA-256 ${data.sha256}`],
    ...(data.skipped.length === 0
      ? []
      : [['Left out', `${count(data.skipped.length, 'image')} that could not be read`] as const]),
    ['Model', `SHA-256 ${classifier.sha256}`],
    ...demands.map(({ met, text }) => ['Demanded', `${met ? 'met' : 'not met'}: ${text}`] as const),
    ...notes.map(({ title }) => ['Note', title] as const),
    [
      'Not measured',
      [
        ...notMeasured.map(({ what }) => what),
        'other norms',
        'rotation, blur and other changes of the image',
      ].join('; '),
    ],
    [
      'Measured by',
      `Sparring ${environment.sparring}, ONNX Runtime ${environment.onnxruntime} (${environment.device})`,
    ],
  ];
  return lines.map(([name, value]) => `- **${name}:** ${plain(value)}`).join('\n');
}
