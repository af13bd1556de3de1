import { fileSize } from '../format.ts';
import type { Own } from './own.ts';

/** Where files are dropped or picked: large while there is no model, one line afterwards. */
export function DropZone({ own }: { readonly own: Own }) {
  const model = own.model.value;
  const pictures = own.pictures.value;
  const { picture } = own.choice.value;
  const waiting = !model || !own.understood.value || pictures.length === 0;
  return (
    <section class={waiting ? 'drop-zone waiting' : 'drop-zone'} aria-label="Files">
      <p>
        {model ? (
          <>
            <b>{model.name}</b>, {fileSize(model.bytes)}
            {own.opening.value && ': being read…'}
          </>
        ) : (
          <b>Drop an ONNX file and some pictures here.</b>
        )}{' '}
        {model && own.understood.value && pictures.length === 0 && <b>Now drop a picture.</b>}
        {!model &&
          'Weights in a second file (.data) and a text with the names of the classes may come along.'}
      </p>
      <div class="row">
        <label class="button">
          {model ? 'Open other files…' : 'Open files…'}
          <input
            class="visually-hidden"
            type="file"
            multiple
            onChange={(event) => {
              const files = [...(event.currentTarget.files ?? [])];
              if (files.length > 0) own.take(files);
              event.currentTarget.value = '';
            }}
          />
        </label>
        {!model && (
          <button type="button" onClick={() => own.takePages()}>
            Take this page’s own
          </button>
        )}
        {pictures.length > 1 && (
          <label class="field">
            <span>Picture</span>
            <select
              value={String(picture)}
              onChange={(event) => own.choose({ picture: Number(event.currentTarget.value), label: null })}
            >
              {pictures.map(({ name }, i) => (
                <option value={String(i)}>{name}</option>
              ))}
            </select>
          </label>
        )}
      </div>
    </section>
  );
}
