/** Pictograms of facility kinds, drawn by hand on a 24 by 24 grid. */

interface Pictogram {
  stroke?: string;
  fill?: string;
}

const PICTOGRAMS: Record<string, Pictogram> = {
  pharmacy: { fill: "M9.4 4h5.2v5.4H20v5.2h-5.4V20H9.4v-5.4H4V9.4h5.4z" },
  hospital: { fill: "M6 4h3.4v6.2h5.2V4H18v16h-3.4v-6.6H9.4V20H6z" },
  doctor: { stroke: "M6 4v5a4.5 4.5 0 0 0 9 0V4M10.5 13.5v2.3a4 4 0 0 0 8 0V13", fill: "M16.5 11.5a2 2 0 1 0 4 0a2 2 0 1 0-4 0z" },
  school: { fill: "M1.8 9.6 12 4.6l10.2 5L12 14.6z", stroke: "M6.5 12.5v4.2c3 2.5 8 2.5 11 0v-4.2" },
  kindergarten: { fill: "M3.6 13h7.4v7.4H3.6zM13 13h7.4v7.4H13zM8.3 3.6h7.4V11H8.3z" },
  post_office: { stroke: "M3.5 6.5h17v11.5h-17zM3.8 7.2 12 13.6l8.2-6.4" },
  library: { stroke: "M12 6.5C9.5 5 6.5 4.8 3.5 5.5V18c3-.7 6-.5 8.5 1 2.5-1.5 5.5-1.7 8.5-1V5.5c-3-.7-6-.5-8.5 1zM12 6.5V19" },
  playground: { stroke: "M4 20 7.5 4.5h9L20 20M10 4.5V14M14 4.5V14M8.8 14.2h6.4" },
  supermarket: { stroke: "M2.8 4.8h2.7l2.4 10.4h9.7l2.2-7.2H6.3", fill: "M7.5 18.8a1.6 1.6 0 1 0 3.2 0a1.6 1.6 0 1 0-3.2 0zM14.8 18.8a1.6 1.6 0 1 0 3.2 0a1.6 1.6 0 1 0-3.2 0z" },
  bank: { fill: "M2.5 9.8 12 4l9.5 5.8z", stroke: "M5.8 11.5V17M10 11.5V17M14 11.5V17M18.2 11.5V17M3.5 19.6h17" },
  community_centre: { stroke: "M3.5 11.5 12 4.8l8.5 6.7M6 10.5V19.2h12v-8.7M10 19v-5h4v5" },
  fire_station: { fill: "M12.3 2.5c.8 3.9 5.4 5.7 5.4 11.3a5.7 5.7 0 0 1-11.4 0c0-2.5 1.3-3.9 2.2-5.4.5 1.2 1.2 1.9 2 2.3.3-2.9.4-5.7 1.8-8.2z" },
  police: { stroke: "M12 3.5 19 6v5.5c0 4.4-3 7.5-7 9-4-1.5-7-4.6-7-9V6z", fill: "m12 7.8 1.2 2.5 2.7.4-2 1.9.5 2.7-2.4-1.3-2.4 1.3.5-2.7-2-1.9 2.7-.4z" },
  bus_stop: { stroke: "M5 4.5h14v12H5zM5 11h14M8 16.5v2.6M16 16.5v2.6" },
  townhall: { fill: "M3 10 12 4.5 21 10z", stroke: "M6 11.5V18M12 11.5V18M18 11.5V18M3.5 20h17M12 4.5V2" },
};

export const iconName = (kind: string) => `kind:${kind}`;

/** A rounded square with the pictogram, or the kind's first letter when nobody drew one; 2 device pixels per unit. */
export function drawIcon(kind: string, ground: string, glyph: string, halo: string): ImageData {
  const size = 52;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const pen = canvas.getContext("2d", { willReadFrequently: true })!;
  pen.fillStyle = halo;
  pen.beginPath();
  pen.roundRect(0, 0, size, size, 13);
  pen.fill();
  pen.fillStyle = ground;
  pen.beginPath();
  pen.roundRect(4, 4, size - 8, size - 8, 10);
  pen.fill();
  pen.fillStyle = pen.strokeStyle = glyph;
  const pictogram = PICTOGRAMS[kind];
  if (pictogram) {
    const scale = 1.4;
    pen.translate((size - 24 * scale) / 2, (size - 24 * scale) / 2);
    pen.scale(scale, scale);
    pen.lineWidth = 2;
    pen.lineJoin = pen.lineCap = "round";
    if (pictogram.fill) pen.fill(new Path2D(pictogram.fill));
    if (pictogram.stroke) pen.stroke(new Path2D(pictogram.stroke));
  } else {
    pen.font = "700 28px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText((kind[0] ?? "?").toUpperCase(), size / 2, size / 2 + 2);
  }
  return pen.getImageData(0, 0, size, size);
}

/** Diagonal hatching for areas with too little data. */
export function drawHatch(ground: string, line: string): ImageData {
  const size = 16;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const pen = canvas.getContext("2d", { willReadFrequently: true })!;
  pen.fillStyle = ground;
  pen.fillRect(0, 0, size, size);
  pen.strokeStyle = line;
  pen.lineWidth = 2.4;
  pen.beginPath();
  for (const offset of [-size, 0, size]) {
    pen.moveTo(offset - 2, size + 2);
    pen.lineTo(offset + size + 2, -2);
  }
  pen.stroke();
  return pen.getImageData(0, 0, size, size);
}

export const pictogramOf = (kind: string): Pictogram | undefined => PICTOGRAMS[kind];
