import { themeCss } from './theme.ts';

/** The style sheet of a report: one column on a phone, figures two abreast where there is room, light and dark. */
export const styleSheet = `${themeCss(':root')}
*{box-sizing:border-box}
body{margin:0;background:var(--surface);color:var(--ink);font:16px/1.55 system-ui,sans-serif;overflow-wrap:break-word}
main,header,footer{max-width:62rem;margin:0 auto;padding:0 1rem}
header{padding-top:2rem}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .5rem}
h2{font-size:1.3rem;margin:2.5rem 0 .75rem;padding-top:.75rem;border-top:1px solid var(--rule)}
h3{font-size:1.05rem;margin:2rem 0 .5rem}
h4{font-size:.95rem;margin:0}
a{color:var(--blue)}
p{margin:.5rem 0}
ul{margin:.5rem 0;padding-left:1.2rem}
.lead,.muted{color:var(--muted)}
.sides{display:grid;gap:.25rem 1.5rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));margin:.5rem 0 1rem}
.panels{display:grid;gap:1rem 1.5rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr))}
figure{margin:0;min-width:0}
figcaption{color:var(--muted);font-size:.9rem}
svg.plot{width:100%;height:auto}
.scroll{overflow-x:auto;max-width:100%;border:1px solid var(--rule);border-radius:6px}
.scroll:focus-visible{outline:2px solid var(--blue)}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
thead th{background:var(--raised);white-space:nowrap}
tr:last-child>*{border-bottom:0}
.numbers td{text-align:right;white-space:nowrap}
.numbers thead th:not(:first-child){text-align:right}
.numbers:not(.heat) th[scope=row]{white-space:nowrap}
td[style]{background:color-mix(in srgb,var(--orange) calc(var(--lost)*45%),transparent)}
.heat thead th{white-space:normal;min-width:6rem;vertical-align:bottom}
.claims td{min-width:10rem}
.claims td:first-child,.claims td.verdict{min-width:0}
.verdict{font-weight:600;white-space:nowrap}
.warnings{border:2px solid var(--orange);border-radius:6px;padding:.25rem 1rem;margin:1rem 0;background:var(--raised)}
.warnings h2{border:0;margin:.5rem 0;padding:0;font-size:1.05rem}
.missing{border-left:3px solid var(--muted);padding-left:.75rem;color:var(--muted)}
dl{display:grid;grid-template-columns:minmax(7rem,auto) minmax(0,1fr);gap:.25rem 1rem;margin:.75rem 0}
dt{color:var(--muted)}
dd{margin:0}
code{font:.85em/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
td code{overflow-wrap:normal;white-space:nowrap}
details{margin:.5rem 0}
summary{cursor:pointer;color:var(--muted);font-size:.9rem}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1rem;padding:0}
footer{margin-top:3rem;padding-bottom:3rem;color:var(--muted);font-size:.9rem}
@media (max-width:40rem){
.claims thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
.claims,.claims tbody,.claims tr,.claims td{display:block;width:auto}
.claims td{border:0;padding:.1rem .6rem}
.claims tr{border-bottom:1px solid var(--rule);padding:.5rem 0}
.claims td::before{content:attr(data-label);color:var(--muted);margin-right:.4rem}
dl{grid-template-columns:minmax(0,1fr)}
dd{margin-bottom:.4rem}
}
`;
