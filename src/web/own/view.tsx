import './own.css';
import { useEffect } from 'preact/hooks';
import { Loading } from '../views/loading.tsx';
import { Nav } from '../views/nav.tsx';
import { drawCard } from '../picture/card.ts';
import { save } from '../views/save.ts';
import { useDrop } from '../views/use-drop.ts';
import { useTheme } from '../views/use-theme.ts';
import { AttackForm } from './attack-form.tsx';
import { ClassTable } from './class-table.tsx';
import { ownCard } from './card.ts';
import { DropZone } from './drop-zone.tsx';
import { startOwn, type Own, type OwnResult } from './own.ts';
import { OwnPanels } from './panels.tsx';
import { PreparationForm } from './preparation-form.tsx';
import { Sentence } from './sentence.tsx';
import { UnderstoodList } from './understood.tsx';

/** The view in which people attack a model of their own. */
export const openOwn = () => <OwnView own={startOwn()} />;

function OwnView({ own }: { readonly own: Own }) {
  const theme = useTheme();
  const dropping = useDrop((files) => own.take(files));
  useEffect(() => () => own.close(), []);
  const { seat, understood, refused, result, pictures } = own;
  const download = seat.download.value;
  const shown = result.value;
  return (
    <div class={dropping ? 'page dropping' : 'page'}>
      <header class="masthead">
        <h1>Sparring</h1>
        <p>Drop an image classifier and a picture, and see how little it takes to fool it.</p>
        <Nav view="own" />
        {download && <Loading of="ONNX Runtime" progress={download} />}
      </header>
      <main class="own" aria-busy={own.opening.value || own.step.value !== null}>
        <div class="stage">
          <Sentence own={own} />
          {(refused.value ?? seat.failure.value) !== null && (
            <p class="problem" role="alert">
              {refused.value ?? seat.failure.value}
            </p>
          )}
          <DropZone own={own} />
          {shown && <OwnPanels own={own} result={shown} theme={theme} />}
          {shown?.outcome && <SaveCard own={own} result={shown} />}
          {seat.note.value !== null && <p class="fine">{seat.note.value}</p>}
        </div>
        <div class="controls">
          {understood.value && pictures.value.length > 0 && <AttackForm own={own} card={understood.value} />}
          {own.model.value && <PreparationForm own={own} />}
        </div>
        <div class="answers">
          {shown && understood.value && <ClassTable result={shown} card={understood.value} />}
          {understood.value && <UnderstoodList understood={understood.value} name={own.model.value!.name} />}
        </div>
        <div class="explanation">
          <p class="fine">
            The model and the pictures stay in this browser: nothing is sent anywhere. The page reads the
            file, makes the graph of its gradient, and compares the answers of the two on random images before
            it attacks. What it does here, <code>sparring audit</code> does on a whole data set.
          </p>
        </div>
      </main>
    </div>
  );
}

function SaveCard({ own, result }: { readonly own: Own; readonly result: OwnResult }) {
  const { outcome } = result;
  const draw = async (): Promise<void> => {
    const link = new URL('#own', location.href).href;
    const card = ownCard({ ...result, outcome: outcome! }, own.understood.peek()!, {
      model: own.model.peek()!.name,
      link,
    });
    save(await drawCard(card), `sparring-${outcome!.method}.png`);
  };
  return (
    <div class="row">
      <button type="button" disabled={own.step.value !== null} onClick={() => void draw()}>
        Save picture
      </button>
    </div>
  );
}
