/** Takes files in with Uppy: one request per file, four at a time, each with its own progress; large ones by an upload session. */

import Uppy, { type Meta, type UppyFile } from "@uppy/core";
import XHRUpload from "@uppy/xhr-upload";

import { Problem, problemOf, REQUESTED_WITH, retryAfterSeconds } from "../api/client";
import type { UploadAnswer } from "../api/types";
import { dispatch } from "../live/store";
import { t } from "../strings";
import { looksLikeData } from "./purpose";
import { needsSession, openSession, pauseBeforeRetry } from "./session";

interface UploadMeta extends Meta {
  purpose?: "letter" | "dataset" | "auto";
  dataset?: string;
  mode?: string;
}
type UploadBody = Record<string, unknown> & { items?: UploadAnswer[] };
type PortalFile = UppyFile<UploadMeta, UploadBody>;
export type Uploader = Uppy<UploadMeta, UploadBody>;

const PARALLEL = 4;
const ONE_DAY_MS = 24 * 3600 * 1000;
const ENDPOINT = "/v1/uploads";
const isBusy = (status: number) => status === 429 || status === 503;
const sizeOf = (file: { data: unknown }) => (file.data instanceof Blob ? file.data.size : 0);

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
      if (Object.hasOwn(files, file.id)) return false;
      // The form fields sent with this file: absent ones would go out as the text "undefined".
      const fields = file.meta.dataset ? ["purpose", "dataset", ...(file.meta.mode ? ["mode"] : [])] : ["purpose"];
      const inForm = { endpoint: ENDPOINT, allowedMetaFields: fields };
      const raw = { endpoint: sessionOf, formData: false, headers: { "Content-Type": "application/octet-stream" } };
      return { ...file, meta: { purpose: "letter" as const, ...file.meta }, xhrUpload: needsSession(sizeOf(file)) ? raw : inForm };
    },
  });
  const failures = new Map<string, number>();

  /** Asked by Uppy before each attempt; it does not notice by itself when that fails. */
  async function sessionOf(asked: PortalFile | PortalFile[]): Promise<string> {
    const file = Array.isArray(asked) ? asked[0]! : asked;
    const { purpose = "letter", dataset, mode } = file.meta;
    try {
      return await openSession({ file_name: file.name, purpose, ...(dataset ? { dataset } : {}), ...(mode ? { mode } : {}) }, sizeOf(file));
    } catch (error) {
      uppy.emit("upload-error", file, error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  uppy.use(XHRUpload, {
    endpoint: ENDPOINT,
    fieldName: "files",
    headers: { ...REQUESTED_WITH, Accept: "application/json" },
    limit: PARALLEL,
    timeout: ONE_DAY_MS,
    // An address of a session is for one attempt: the next one is below, with a new session.
    shouldRetry: (xhr) => isBusy(xhr.status) && isForm(xhr),
    onAfterResponse: async (xhr) => {
      if (isBusy(xhr.status) && isForm(xhr)) await new Promise((done) => setTimeout(done, retryAfterSeconds(xhr.getResponseHeader("Retry-After")) * 1000));
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
    const problem = error instanceof Problem ? error : problemOf(xhr?.status ?? 0, xhr?.status ? xhr.responseText : "");
    const failed = failures.get(file.id) ?? 0;
    const retryAfter = xhr?.getResponseHeader("Retry-After");
    const pause = needsSession(sizeOf(file)) ? pauseBeforeRetry(problem.status, failed, !(error instanceof Problem), retryAfter ? retryAfterSeconds(retryAfter) : null) : null;
    if (pause === null) {
      failures.delete(file.id);
      dispatch({ type: "file_failed", fileId: file.id, reason: problem.status ? problem.message : t.drop.notSent(problem.detail || error.message) });
      return;
    }
    failures.set(file.id, failed + 1);
    dispatch({ type: "file_again", fileId: file.id, reason: t.drop.broken });
    setTimeout(() => {
      if (uppy.getFile(file.id)) void uppy.retryUpload(file.id);
    }, pause * 1000);
  });
  // So that the same file can be dropped again later; the server then says that it was here already.
  uppy.on("complete", (result) => {
    for (const file of result.successful ?? []) {
      failures.delete(file.id);
      if (uppy.getFile(file.id)) uppy.removeFile(file.id);
    }
  });
  return uppy;
}

const isForm = (xhr: XMLHttpRequest) => new URL(xhr.responseURL, location.href).pathname === ENDPOINT;

/** Send a data file under the data set that somebody chose; an empty mode means the contract's. */
export function sendData(uppy: Uploader, file: File, dataset: string, mode: string): void {
  uppy.addFile({ name: file.name, type: file.type, data: file, meta: { purpose: "dataset", dataset, ...(mode ? { mode } : {}) } });
}
