/** Of parentheses that do not grow. A text, because Preact leaves out attributes that are the boolean false. */
const flat = { stretchy: 'false' } as unknown as { readonly stretchy: boolean };

/** The three attacks as formulas, in MathML. */
export function Formulas() {
  return (
    <div class="formulas">
      <p>
        An image <X /> with pixels in [0, 1], its class <Y />, the classifier’s cross-entropy <Loss />, and
        the projection{' '}
        <math>
          <mi mathvariant="normal">Π</mi>
        </math>{' '}
        onto <Ball />, clipped to [0, 1] if asked.
      </p>
      <p>
        The attacker A is a network whose last layer is a tanh, trained to minimise the negative error of C1:
      </p>
      <math display="block" aria-label="x prime equals projection of x plus eps times A of x">
        <Attacked />
        <mo>=</mo>
        <mi mathvariant="normal">Π</mi>
        <mrow>
          <mo {...flat}>(</mo>
          <X bare />
          <mo>+</mo>
          <mi>ε</mi>
          <mi>A</mi>
          <mo {...flat}>(</mo>
          <X bare />
          <mo {...flat}>)</mo>
          <mo {...flat}>)</mo>
        </mrow>
      </math>
      <p>FGSM takes one step along the sign of the gradient:</p>
      <math
        display="block"
        aria-label="x prime equals projection of x plus eps times the sign of the gradient of L at x, y"
      >
        <Attacked />
        <mo>=</mo>
        <mi mathvariant="normal">Π</mi>
        <mrow>
          <mo {...flat}>(</mo>
          <X bare />
          <mo>+</mo>
          <mi>ε</mi>
          <mi>sign</mi>
          <mspace width="0.17em" />
          <Gradient of={<X bare />} />
          <mo {...flat}>)</mo>
        </mrow>
      </math>
      <p>PGD takes many, from a random start in the box, with a step of 2.5 ε over their number:</p>
      <math
        display="block"
        aria-label="x sub k plus 1 equals projection of x sub k plus alpha times the sign of the gradient of L at x sub k, y"
      >
        <Iterate index={<PlusOne />} />
        <mo>=</mo>
        <mi mathvariant="normal">Π</mi>
        <mrow>
          <mo {...flat}>(</mo>
          <Iterate index={<mi>k</mi>} />
          <mo>+</mo>
          <mi>α</mi>
          <mi>sign</mi>
          <mspace width="0.17em" />
          <Gradient of={<Iterate index={<mi>k</mi>} />} />
          <mo {...flat}>)</mo>
        </mrow>
      </math>
      <p>
        L<sub>∞</sub> is the largest change of a pixel, L<sub>2</sub> the root of the summed squares, both
        from the original to the attacked image as shown. An attack succeeds when C1 was right about <X /> and
        is wrong about{' '}
        <math>
          <Attacked />
        </math>
        .
      </p>
    </div>
  );
}

const X = ({ bare = false }: { readonly bare?: boolean }) =>
  bare ? (
    <mi>x</mi>
  ) : (
    <math>
      <mi>x</mi>
    </math>
  );

const Y = () => (
  <math>
    <mi>y</mi>
  </math>
);

const Loss = () => (
  <math>
    <mi>L</mi>
    <mo {...flat}>(</mo>
    <mi>x</mi>
    <mo>,</mo>
    <mi>y</mi>
    <mo {...flat}>)</mo>
  </math>
);

const Ball = () => (
  <math>
    <mrow>
      <mo {...flat}>{'{'}</mo>
      <mi>z</mi>
      <mo>:</mo>
      <msub>
        <mrow>
          <mo {...flat}>‖</mo>
          <mi>z</mi>
          <mo>−</mo>
          <mi>x</mi>
          <mo {...flat}>‖</mo>
        </mrow>
        <mi>∞</mi>
      </msub>
      <mo>≤</mo>
      <mi>ε</mi>
      <mo {...flat}>{'}'}</mo>
    </mrow>
  </math>
);

const Attacked = () => (
  <mrow>
    <mi>x</mi>
    <mo lspace="0" rspace="0">
      ′
    </mo>
  </mrow>
);

const Iterate = ({ index }: { readonly index: preact.ComponentChildren }) => (
  <msub>
    <mi>x</mi>
    {index}
  </msub>
);

const PlusOne = () => (
  <mrow>
    <mi>k</mi>
    <mo>+</mo>
    <mn>1</mn>
  </mrow>
);

const Gradient = ({ of }: { readonly of: preact.ComponentChildren }) => (
  <mrow>
    <msub>
      <mo>∇</mo>
      <mi>x</mi>
    </msub>
    <mi>L</mi>
    <mo {...flat}>(</mo>
    {of}
    <mo>,</mo>
    <mi>y</mi>
    <mo {...flat}>)</mo>
  </mrow>
);
