import { useSignal } from '@preact/signals';
import type { Demo } from './demo.ts';
import type { ClassifierName } from './engine/protocol.ts';
import { readDigit } from './digits/file.ts';
import { readsDigits } from './digits/shape.ts';
import { readImage } from './picture/file.ts';
import { TransferMatrix } from './transfer/view.tsx';
import { Actions } from './views/actions.tsx';
import { Bars } from './views/bars.tsx';
import { Comparison } from './views/comparison.tsx';
import { Explanation } from './views/explanation.tsx';
import { Footer } from './views/footer.tsx';
import { Masthead } from './views/masthead.tsx';
import { Panels } from './views/panels.tsx';
import { Settings } from './views/settings.tsx';
import { SourceControls } from './views/source.tsx';
import { Strip } from './views/strip.tsx';
import { useDrop } from './views/use-drop.ts';
import { useTheme } from './views/use-theme.ts';
import { Notes, Problems, VerdictLine } from './views/verdict.tsx';

/** The page. In the order of a phone: the picture, what is done with it, samples, settings, answers. */
export function App({ demo }: { readonly demo: Demo }) {
  const theme = useTheme();
  const erasing = useSignal(false);
  const drawing = useSignal(false);
  const refused = useSignal<string | null>(null);
  const open = (file: File): void => {
    refused.value = null;
    const read = readsDigits(demo.card) ? readDigit(file) : readImage(file, demo.card.image);
    read.then(
      (pixels) => demo.show({ pixels, source: { kind: 'own', name: file.name }, label: null }),
      (error: unknown) => (refused.value = (error as Error).message),
    );
  };
  const dropping = useDrop(([file]) => open(file!));
  const { method } = demo.choice.value;
  const { classifiers, target } = demo.lineUp.value;
  const shown = demo.results.value;
  return (
    <div class={dropping ? 'page dropping' : 'page'}>
      <Masthead demo={demo} />
      <main aria-busy={demo.busy.value}>
        <div class="stage">
          <VerdictLine demo={demo} />
          <Problems demo={demo} refused={refused.value} />
          <Panels demo={demo} theme={theme} erasing={erasing} drawing={drawing} />
          <Strip demo={demo} erasing={erasing} drawing={drawing} onFile={open} />
          <Notes demo={demo} />
        </div>
        <div class="controls">
          <SourceControls demo={demo} />
          <Settings demo={demo} />
        </div>
        <div class="answers">
          <div class="legend" aria-hidden="true">
            {(
              [
                ['before', 'before'],
                ['after', 'after'],
                ['wrong', 'after, wrong'],
                ['true', demo.words.truth],
              ] as const
            ).map(([kind, text]) => (
              <span>
                <span class={`key ${kind}`} /> {text}
              </span>
            ))}
          </div>
          <div class="charts">
            {(Object.keys(classifiers) as ClassifierName[]).map((name) => (
              <Bars
                key={name}
                name={name}
                target={target}
                card={demo.card}
                label={shown?.clean?.label ?? null}
                aim={shown?.choice.aim ?? null}
                before={shown?.clean?.predictions[name] ?? null}
                after={shown?.outcomes[method]?.predictions[name] ?? null}
              />
            ))}
          </div>
          <Comparison demo={demo} theme={theme} />
          <Actions demo={demo} />
          {demo.digits.length > 0 && Object.keys(classifiers).length > 1 && <TransferMatrix demo={demo} />}
        </div>
        <Explanation demo={demo} />
      </main>
      <Footer demo={demo} />
    </div>
  );
}
