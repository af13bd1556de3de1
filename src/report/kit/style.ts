import { themeCss } from './theme.ts';

/**
 * The style sheet of a report: text as wide as it reads well, tables and figures as wide as the window; light and dark; on
 * a phone each row of the main tables is a card.
 */
export const styleSheet = `${themeCss(':root')}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;background:var(--surface);color:var(--ink);font:16px/1.55 system-ui,sans-serif;overflow-wrap:break-word}
main,header,footer{max-width:78rem;margin:0 auto;padding:0 1.5rem}
header{padding-top:2.5rem}
p,ul,.missing,.warnings{max-width:46rem}
h1{font-size:2rem;line-height:1.15;margin:0 0 1rem;letter-spacing:-.015em}
h2{font-size:1.4rem;line-height:1.25;margin:3rem 0 .75rem;padding-top:1.25rem;border-top:1px solid var(--rule)}
h3{font-size:1.1rem;margin:2rem 0 .5rem}
h3.threat{margin-top:2.5rem;font-size:1.2rem}
h4{font-size:.95rem;margin:0}
a{color:var(--blue)}
p{margin:.5rem 0}
ul{margin:.5rem 0;padding-left:1.2rem}
.muted,.kicker{color:var(--muted)}
.kicker{margin:0;font-size:.9rem}
.headline{font-size:1.5rem;line-height:1.35;font-weight:600;letter-spacing:-.01em;margin:.25rem 0 .5rem;max-width:none;text-wrap:balance}
.finding{max-width:56rem;border-left:4px solid var(--orange);padding:.35rem 0 .35rem .9rem;margin:.75rem 0;font-weight:600}
.missing{border-left:4px solid var(--rule);padding:.35rem 0 .35rem .9rem;color:var(--muted);list-style:none;margin:.75rem 0}
.sides{display:grid;gap:.25rem 2rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));margin:.5rem 0 1rem}
.panels{display:grid;gap:1.25rem 2rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr));margin:1rem 0}
figure{margin:0;min-width:0;max-width:38rem}
figcaption{color:var(--muted);font-size:.9rem}
svg.plot{display:block;width:100%;height:auto}
.scroll{overflow-x:auto;max-width:100%;width:fit-content;border:1px solid var(--rule);border-radius:8px;margin:.75rem 0}
.scroll:focus-visible,summary:focus-visible,a:focus-visible{outline:2px solid var(--blue);outline-offset:2px}
.samples{display:block;width:936px;max-width:none;height:auto;background:#fff}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.4rem .7rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
thead th{background:var(--raised);white-space:nowrap;font-weight:600}
tbody tr:last-child>*{border-bottom:0}
caption{text-align:left;padding:.45rem .7rem;color:var(--muted);font-size:.88rem}
.numbers td{text-align:right;white-space:nowrap}
.numbers thead th:not(:first-child){text-align:right}
.numbers tbody th{font-weight:500;white-space:nowrap}
.interval{display:block;font-size:.78rem;color:var(--muted)}
td[style*="--lost"]{background:color-mix(in srgb,var(--orange) calc(var(--lost)*40%),transparent)}
td[style*="--lost"] .interval{color:inherit}
.heat thead th{white-space:normal;vertical-align:bottom;font-weight:500;font-size:.78rem;line-height:1.3;min-width:4rem}
.heat th,.heat td{padding:.4rem .45rem}
.heat tbody th{white-space:normal;min-width:12rem}
.dense thead th:not(:first-child){writing-mode:vertical-rl;text-align:left;vertical-align:bottom;min-width:0;max-height:16rem}
.dense th,.dense td{padding:.3rem .2rem;font-size:.72rem}
.dense th:first-child{padding-left:.6rem}
.wide th,.wide td{padding:.4rem;font-size:.8rem}
.confusion{display:flex;flex-wrap:wrap;gap:1rem 1.25rem;align-items:flex-start}
.confusion .scroll{margin:0}
.matrix th,.matrix td{padding:.2rem;min-width:2.1rem;height:2.05rem;text-align:center;vertical-align:middle;border:0}
.matrix thead th,.matrix tbody th,.bars thead th{background:none;color:var(--muted);font-weight:500}
.matrix thead th:first-child,.bars th{padding-left:.7rem;padding-right:.5rem}
.matrix td{box-shadow:inset 0 0 0 1px var(--surface);background:var(--raised)}
.matrix td.wrong{background:color-mix(in srgb,var(--orange) calc(var(--lost)*50%),var(--raised))}
.matrix td.right{background:color-mix(in srgb,var(--blue) calc(var(--lost)*40%),var(--raised));font-weight:600}
.bars th,.bars td{padding-top:.2rem;padding-bottom:.2rem;height:2.05rem;vertical-align:middle;border:0}
.bar{min-width:8.5rem;white-space:nowrap;background:linear-gradient(var(--fill),var(--fill)) no-repeat left .35rem center/calc(var(--part)*4rem) .8rem;padding-left:4.9rem;text-align:right}
.bar.before{--fill:var(--blue)}
.bar.after{--fill:var(--orange)}
.claims td{min-width:8rem}
.claims td:first-child,.claims td.verdict{min-width:0}
.claims td:nth-child(4){min-width:22rem}
.verdict{white-space:nowrap}
.verdict span{display:inline-block;border:1.5px solid;border-radius:1rem;padding:0 .6rem;font-weight:600;border-color:var(--muted)}
.verdict .yes{border-color:var(--green)}
.verdict .no{border-color:var(--orange)}
.verdict .part{border-color:var(--blue)}
.warnings{border:1px solid var(--orange);border-left-width:4px;border-radius:6px;padding:.5rem 1rem;margin:1rem 0;background:var(--raised)}
.warnings h2{border:0;margin:.25rem 0;padding:0;font-size:1rem}
.warnings summary{color:inherit}
dl{display:grid;grid-template-columns:minmax(8rem,auto) minmax(0,1fr);gap:.25rem 1.25rem;margin:.75rem 0;max-width:60rem}
dt{color:var(--muted)}
dd{margin:0}
code{font:.85em/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
details{margin:.5rem 0}
summary{cursor:pointer;color:var(--muted);font-size:.9rem;padding:.15rem 0}
nav{margin-top:1.5rem;font-size:.9rem}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;padding:0;max-width:none}
footer{margin-top:3rem;padding-bottom:3rem;color:var(--muted);font-size:.9rem}
.away{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden;white-space:nowrap}
@media (max-width:40rem){
main,header,footer{padding-left:1rem;padding-right:1rem}
header{padding-top:1.5rem}
h1{font-size:1.6rem}
.headline{font-size:1.2rem}
.scroll:has(.stacked),.scroll:has(.claims){width:auto;border:0}
.samples{width:780px}
.claims thead,.stacked thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
.claims,.claims tbody,.claims tr,.claims td,.stacked,.stacked tbody,.stacked tr,.stacked td,.stacked th{display:block;width:auto;min-width:0}
.claims td,.claims td:nth-child(4){border:0;padding:.1rem 0;min-width:0}
.claims tr{border-bottom:1px solid var(--rule);padding:.75rem 0}
.claims td::before{content:attr(data-label);color:var(--muted);margin-right:.4rem}
.stacked tr{display:grid;grid-template-columns:repeat(3,1fr);border:1px solid var(--rule);border-radius:8px;margin-bottom:.75rem;overflow:hidden}
.stacked tbody th{grid-column:1/-1;background:var(--raised);white-space:normal;border:0}
.stacked td{border:0;text-align:left;white-space:normal;padding:.4rem .6rem}
.stacked td::before{content:attr(data-label);display:block;font-size:.75rem;color:var(--muted)}
.stacked td[style*="--lost"]::before{color:inherit}
.stacked td.empty{display:none}
.matrix{font-size:.75rem}
.matrix th,.matrix td{min-width:1.72rem;height:1.9rem;padding:.1rem}
.matrix thead th:first-child{padding:0 .3rem;font-size:0}
dl{grid-template-columns:minmax(0,1fr)}
dd{margin-bottom:.4rem}
}
@media (max-width:22rem){main,header,footer{padding-left:.5rem;padding-right:.5rem}}
@media print{nav{display:none}}
`;
