/** Takes files in with Uppy: one request per file, four at a time, each with its own progress. */

import Uppy, { type Meta } from "@uppy/core";
import XHRUpload from "@uppy/xhr-upload";

import { problemOf, REQUESTED_WITH, retryAfterSeconds } from "../api/client";
import type { UploadAnswer } from "../api/types";
import { dispatch } from "../live/store";
import { t } from "../strings";
import { looksLikeData } from "./purpose";

interface UploadMeta extends Meta {
  purpose?: "letter" | "dataset" | "auto";
  dataset?: string;
  mode?: string;
}
type UploadBody = Record<string, unknown> & { items?: UploadAnswer[] };
export type Uploader = Uppy<UploadMeta, UploadBody>;

const PARALLEL = 4;
const ONE_DAY_MS = 24 * 3600 * 1000;
const isBusy = (status: number) => status === 429 || status === 503;

/** `onData` is handed the files that need a data set first; `sendData` brings them back. */
export function createUploader(onData: (file: File) => void): Uploader {
  const uppy: Uploader = new Uppy<UploadMeta, UploadBody>({
    autoProceed: true,
    allowMultipleUploadBatches: true,
    onBeforeFileAdded: (file, files) => {
      if (looksLikeData(file.name) && !file.meta.dataset) {
        onData(file.data as File);
        return false;
      }
      // The form fields sent with this file: absent ones would go out as the text "undefined".
      const fields = file.meta.dataset ? ["purpose", "dataset", ...(file.meta.mode ? ["mode"] : [])] : ["purpose"];
      return Object.hasOwn(files, file.id) ? false : { ...file, meta: { purpose: "letter" as const, ...file.meta }, xhrUpload: { endpoint: ENDPOINT, allowedMetaFields: fields } };
    },
  });
  uppy.use(XHRUpload, {
    endpoint: ENDPOINT,
    fieldName: "files",
    headers: { ...REQUESTED_WITH, Accept: "application/json" },
    limit: PARALLEL,
    timeout: ONE_DAY_MS,
    shouldRetry: (xhr) => isBusy(xhr.status),
    onAfterResponse: async (xhr) => {
      if (isBusy(xhr.status)) await new Promise((done) => setTimeout(done, retryAfterSeconds(xhr.getResponseHeader("Retry-After")) * 1000));
    },
    getResponseData: (xhr) => JSON.parse(xhr.responseText) as UploadBody,
  });
  uppy.on("file-added", (file) => dispatch({ type: "file_added", fileId: file.id, fileName: file.name, at: new Date().toISOString() }));
  uppy.on("upload-progress", (file, progress) => {
    if (file && progress.bytesTotal) dispatch({ type: "file_progress", fileId: file.id, share: progress.bytesUploaded / progress.bytesTotal });
  });
  uppy.on("upload-success", (file, response) => {
    const answer = response.body?.items?.[0];
    if (file && answer) dispatch({ type: "file_answered", fileId: file.id, answer, at: new Date().toISOString() });
  });
  uppy.on("upload-error", (file, error, response) => {
    if (!file) return;
    const xhr = response as unknown as XMLHttpRequest | undefined;
    const reason = xhr?.status ? problemOf(xhr.status, xhr.responseText).message : t.drop.notSent(error.message);
    dispatch({ type: "file_failed", fileId: file.id, reason });
  });
  // So that the same file can be dropped again later; the server then says that it was here already.
  uppy.on("complete", (result) => {
    for (const file of result.successful ?? []) if (uppy.getFile(file.id)) uppy.removeFile(file.id);
  });
  return uppy;
}

const ENDPOINT = "/v1/uploads";

/** Send a data file under the data set that somebody chose; an empty mode means the contract's. */
export function sendData(uppy: Uploader, file: File, dataset: string, mode: string): void {
  uppy.addFile({ name: file.name, type: file.type, data: file, meta: { purpose: "dataset", dataset, ...(mode ? { mode } : {}) } });
}
