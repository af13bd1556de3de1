import { Help, type Argument, type CommandUnknownOpts, type Option } from '@commander-js/extra-typings';

/** What is shown below the options of each command, as lines that can be typed. */
const examples: Readonly<Record<string, readonly string[]>> = {
  inspect: ['sparring inspect model.onnx', 'sparring inspect model.onnx --scale 0..255 --data mnist'],
  gradient: [
    'sparring gradient model.onnx --out gradient.onnx',
    'sparring gradient model.onnx --out gradient.onnx --loss dlr --device webgpu',
  ],
  audit: [
    'sparring audit model.onnx --data mnist --eps 0.1',
    'sparring audit model.onnx --data images/ --eps 8/255 --preset standard --fail-under 0.4',
  ],
  harden: [
    'sparring harden model.onnx --data mnist --eps 0.3 --out robust.onnx',
    'sparring harden model.onnx --data images/ --eps 4/255 --method fast --epochs 20 --out robust.onnx',
  ],
  train: [
    'sparring train',
    'sparring train --train-limit 2000 --test-limit 1000 --out runs/small',
    'sparring train --mode both --eps 0.04,0.08,0.16 --no-clip --out runs/sweep',
    'sparring train --resume runs/sweep',
  ],
  'train-attacker': [
    'sparring train-attacker model.onnx --data mnist --eps 0..0.3 --out attacker.onnx',
    'sparring train-attacker a.onnx b.onnx --data images/ --eps 8/255 --kind universal --out universal.onnx',
    'sparring audit model.onnx --data mnist --eps 0.1 --attacker attacker.onnx',
  ],
  evaluate: [
    'sparring evaluate runs/latest',
    'sparring evaluate runs/latest --attacks fgsm,pgd --steps 100 --restarts 3 --test-limit 1000',
  ],
  serve: [
    'sparring serve model.onnx --eps 8/255 --resize',
    'sparring serve',
    'sparring serve --run runs/sweep --host 0.0.0.0 --port 80 --token SECRET',
  ],
  demo: ['sparring demo --out demo-site', 'sparring demo --run runs/sweep --out demo-site'],
  report: [
    'sparring report',
    'sparring report runs/a runs/b --out both',
    'sparring report runs/sweep --markdown',
  ],
  devices: ['sparring devices'],
  export: [
    'sparring export --ort-training --model attacker --run runs/latest out',
    'sparring export --check out',
  ],
};

/** Gives a command its examples, and writes defaults that are lists as they are typed. */
export function describeUsage(command: CommandUnknownOpts): void {
  command.configureHelp({
    optionDescription(option: Option): string {
      const { defaultValue, defaultValueDescription } = option;
      if (!Array.isArray(defaultValue) || defaultValueDescription !== undefined) {
        return Help.prototype.optionDescription.call(this, option);
      }
      return `${option.description} (default: ${defaultValue.join(',')})`;
    },
    argumentDescription(argument: Argument): string {
      const { defaultValue } = argument;
      return Array.isArray(defaultValue)
        ? `${argument.description} (default: ${defaultValue.join(' ')})`
        : Help.prototype.argumentDescription.call(this, argument);
    },
  });
  const own = examples[command.name()];
  if (own) command.addHelpText('after', `\nExamples:\n${own.map((line) => `  ${line}`).join('\n')}`);
}
