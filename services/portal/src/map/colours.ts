/** The map's inks: one sequential ramp that differs in lightness alone, so that it reads in any colour vision and in print. */

export interface Palette {
  paper: string;
  land: string;
  ramp: readonly [string, string, string, string, string];
  hatch: string;
  hatchGround: string;
  outline: string;
  outlineStrong: string;
  point: string;
  rubric: string;
  rubricRing: string;
  ink: string;
  onInk: string;
}

/** Least covered first: the ink gathers where help is far. */
export const LIGHT: Palette = {
  paper: "#eceae3",
  land: "#f8f7f3",
  ramp: ["#33536e", "#6484a0", "#94adc1", "#c0cfda", "#e4ebef"],
  hatch: "#b9b4a6",
  hatchGround: "#f1efe8",
  outline: "#ffffff",
  outlineStrong: "#1d2935",
  point: "#1d2935",
  rubric: "#c0341d",
  rubricRing: "#ffffff",
  ink: "#1d2935",
  onInk: "#ffffff",
};

export const DARK: Palette = {
  paper: "#0f1317",
  land: "#1a2027",
  ramp: ["#a5c6df", "#7a9fbd", "#56788f", "#3a5366", "#25343f"],
  hatch: "#626b76",
  hatchGround: "#1f252c",
  outline: "#0f1317",
  outlineStrong: "#eef2f5",
  point: "#dfe6ec",
  rubric: "#ff7a5c",
  rubricRing: "#14181d",
  ink: "#e9eef2",
  onInk: "#14181d",
};

/** Lower bounds of the ramp's classes after the first, as shares. */
export const BREAKS = [0.2, 0.4, 0.6, 0.8] as const;

/** Index into the ramp, or null where there is too little data for a share. */
export function rampClass(share: number | null): number | null {
  if (share === null || Number.isNaN(share)) return null;
  return BREAKS.filter((lower) => share >= lower).length;
}

export function coverageColour(palette: Palette, share: number | null): string | null {
  const index = rampClass(share);
  return index === null ? null : palette.ramp[index]!;
}

/** Relative luminance (WCAG 2) of #rrggbb. */
export function luminance(hex: string): number {
  const channel = (at: number) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}
