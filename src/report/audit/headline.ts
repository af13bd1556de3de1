import type { Audit } from '../../runtime/audit/document.ts';
import { count } from '../kit/format.ts';
import { allowance, doubtsOf, ends, knowledgeOf, part, tallyOf } from './words.ts';

/** What an audit says in a sentence, and what a reader must know beside it. */
export interface Headline {
  /**
   * `measured`: the text says how often attacks succeed; `doubt`: that the audit cannot tell, and the checks say why;
   * `nothing`: that nothing was measured that could.
   */
  readonly kind: 'measured' | 'doubt' | 'nothing';
  readonly text: string;
  /** Whole sentences. */
  readonly more: readonly string[];
}

/** What is known and what is not, in words. It never gives a number as robustness where a check doubts it. */
export function headline(audit: Audit): Headline {
  const headlines = [inDoubt, nothingRight, nothingTried, noiseAlone];
  for (const look of headlines) {
    const found = look(audit);
    if (found) return { ...found, more: [...stopped(audit), ...found.more, ...leftOut(audit)] };
  }
  return measured(audit);
}

function inDoubt(audit: Audit): Headline | null {
  if (doubtsOf(audit).length === 0) return null;
  const tried = Object.values(audit.attacks).some(({ attacked }) => attacked > 0);
  const { fooled } = tallyOf(audit);
  return {
    kind: 'doubt',
    text: `This audit cannot say how robust ${nameOf(audit)} is.`,
    more: [
      ...(tried
        ? [`The attacks of this audit fooled it on ${number(fooled)} of the ${rightImages(audit)}.`]
        : []),
      `Do not quote the ${part(audit.worst.accuracy)} that are left as robust accuracy.`,
    ],
  };
}

function nothingRight(audit: Audit): Headline | null {
  const { images, wrong } = tallyOf(audit);
  if (wrong < images) return null;
  return {
    kind: 'nothing',
    text: `Of ${count(images, 'image')}, ${nameOf(audit)} gets none right without an attack, so there is nothing to attack.`,
    more: [
      'Check how the pixels are prepared, and that the classes of the data are those of the classifier.',
    ],
  };
}

function nothingTried(audit: Audit): Headline | null {
  if (Object.values(audit.attacks).some(({ attacked }) => attacked > 0)) return null;
  return {
    kind: 'nothing',
    text: `No attack was tried on ${nameOf(audit)}: nothing is known of its robustness.`,
    more: [],
  };
}

function noiseAlone(audit: Audit): Headline | null {
  if (knowledgeOf(audit) !== 'none') return null;
  const { fooled } = tallyOf(audit);
  return {
    kind: 'nothing',
    text: `Only random noise was tried on ${nameOf(audit)}: this says nothing of an attacker who looks for the worst change.`,
    more: [`Noise changes the answer for ${number(fooled)} of the ${rightImages(audit)}.`],
  };
}

function measured(audit: Audit): Headline {
  const { threat, complete } = audit;
  const name = nameOf(audit);
  const { left, fooled } = tallyOf(audit);
  const right = left + fooled;
  const attacker = `an attacker who ${seesOnly[knowledgeOf(audit)]}may ${allowance(threat)}`;
  const share = right === fooled ? '' : ` (${part(fooled / right)})`;
  const least = complete ? '' : 'at least ';
  const images = rightImages(audit, name);
  const some =
    audit.data.labels === 'answers'
      ? `Of ${images}, ${attacker} makes ${name} change its answer on ${least}${number(fooled)}${share}.`
      : `Of ${images}, ${attacker} fools it on ${least}${number(fooled)}${share}.`;
  const none = `No attack tried here fools ${name} on any of the ${rightImages(audit)}, where the attacker may ${allowance(threat)}.`;
  return {
    kind: 'measured',
    text: fooled === 0 ? none : some,
    more: [
      ...stopped(audit),
      accuracies(audit),
      bound(audit),
      ...withoutGradient(audit),
      ...ownAnswers(audit),
      ...leftOut(audit),
    ],
  };
}

const number = (n: number): string => n.toLocaleString('en-US');

/** The file's name where it is short enough to read within a sentence. */
const nameOf = ({ classifier: { name } }: Audit): string => (name.length <= 32 ? name : 'this classifier');

const seesOnly = {
  gradient: '',
  logits: 'sees only its answers and ',
  surrogate: 'sees only its answers and ',
  model: 'knows only a classifier like it and ',
  none: 'goes by chance and ',
} as const;

/** `493 images that it gets right`; without labels, `500 images`. */
function rightImages(audit: Audit, name = 'it'): string {
  const { left, fooled } = tallyOf(audit);
  const images = count(left + fooled, 'image');
  return audit.data.labels === 'answers' ? images : `${images} that ${name} gets right`;
}

function accuracies({ clean, worst, images, data, complete }: Audit): string {
  const under = `${part(worst.accuracy)} (95 % interval ${ends(worst.interval)})`;
  return data.labels === 'answers'
    ? `It keeps its answer for ${under} of ${count(images, 'image')}.`
    : `Robust accuracy is ${complete ? '' : 'at most '}${under} of ${count(images, 'image')}; accuracy without an attack is ${part(clean.accuracy)} (${ends(clean.interval)}).`;
}

const bound = (audit: Audit): string =>
  tallyOf(audit).fooled === 0
    ? 'That is no proof of robustness: another attack may fool it.'
    : 'That is an upper bound: a stronger attack may fool it more often.';

function withoutGradient(audit: Audit): readonly string[] {
  if (knowledgeOf(audit) === 'gradient') return [];
  const { why } = audit.classifier.gradient;
  return [
    `Attacks that follow the gradient are the strongest, and none ${why ? `could: ${why}` : 'was run'}.`,
  ];
}

const ownAnswers = ({ data }: Audit): readonly string[] =>
  data.labels === 'answers'
    ? [
        'The images have no labels: its own answers without an attack count as right, whether they are or not.',
      ]
    : [];

const stopped = ({ complete }: Audit): readonly string[] =>
  complete ? [] : ['The audit was stopped early: these numbers are of what was measured by then.'];

function leftOut({ data: { skipped } }: Audit): readonly string[] {
  if (skipped.length === 0) return [];
  return [
    `${count(skipped.length, 'image')} could not be read and ${skipped.length === 1 ? 'was' : 'were'} left out.`,
  ];
}
