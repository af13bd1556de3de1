import type { TargetedEvent } from 'preact';
import type { Own } from './own.ts';
import type { Preparation } from './preparation.ts';

type Choices = readonly (readonly [value: string, text: string])[];

const layouts: Choices = [
  ['', 'as found'],
  ['nchw', 'channels first (NCHW)'],
  ['nhwc', 'channels last (NHWC)'],
];
const scales: Choices = [
  ['', 'as found'],
  ['0..1', '0 to 1'],
  ['0..255', '0 to 255'],
  ['-1..1', '-1 to 1'],
];
const orders: Choices = [
  ['', 'as found'],
  ['rgb', 'red, green, blue'],
  ['bgr', 'blue, green, red'],
  ['grey', 'the same grey in each'],
];

/** What the file does not say, or says wrongly, of how it wants its images. */
export function PreparationForm({ own }: { readonly own: Own }) {
  const said = own.preparation.value;
  const change =
    (part: keyof Preparation) =>
    ({ currentTarget: { value } }: TargetedEvent<HTMLSelectElement | HTMLInputElement>): void =>
      own.prepare({ [part]: value });
  const select = (part: keyof Preparation, text: string, choices: Choices) => (
    <label class="field">
      <span>{text}</span>
      <select value={said[part]} onChange={change(part)}>
        {choices.map(([value, name]) => (
          <option value={value}>{name}</option>
        ))}
      </select>
    </label>
  );
  const numbers = (part: keyof Preparation, text: string, example: string) => (
    <label class="field">
      <span>{text}</span>
      <input type="text" value={said[part]} placeholder={example} onChange={change(part)} />
    </label>
  );
  return (
    <details class="block preparation" open={own.understood.value === null && !own.opening.value}>
      <summary>How the model wants its images</summary>
      <p class="fine">Set what the file does not say, or says wrongly. eps stays in pixels of 0 to 255.</p>
      {select('layout', 'Layout', layouts)}
      {select('scale', 'Pixels', scales)}
      {select('channels', 'Colours', orders)}
      {numbers('mean', 'Mean', '0.485, 0.456, 0.406')}
      {numbers('std', 'Std', '0.229, 0.224, 0.225')}
      {numbers('size', 'Size', '224, 224')}
    </details>
  );
}
