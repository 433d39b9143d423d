/** Tells data files from letters by name, only to ask for the data set first: the server looks at the content. */

const DATA_ENDINGS = [".csv", ".tsv", ".txt", ".geojson", ".json", ".xlsx", ".xls", ".parquet"];

export function looksLikeData(name: string): boolean {
  const lower = name.toLowerCase();
  return DATA_ENDINGS.some((ending) => lower.endsWith(ending));
}

/** The data set whose name begins the file's name ("facilities 2026.csv"); the longest such name wins. */
export function guessDataset(name: string, datasets: readonly string[]): string | null {
  const squeezed = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
  const file = squeezed(name);
  return [...datasets].sort((a, b) => b.length - a.length).find((dataset) => file.startsWith(squeezed(dataset)) || file.startsWith(squeezed(dataset).replace(/s$/, ""))) ?? null;
}
