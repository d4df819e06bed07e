/** What a link to the course holds. What is looked at beside a question is no part of it. */
import { type Codecs, text } from "../codec";

export interface CourseLinkState {
  /** The id of the question; empty for the first. */
  readonly courseQuestion: string;
  /** `en`, `zh-TW`; empty for the one that was chosen last in this browser, or that the browser speaks. */
  readonly courseLanguage: string;
  /** A student's or an instructor's tab; empty for the first. */
  readonly courseTab: string;
  /** The code of an invitation, as it stands in a link that is handed out; empty as soon as it was used. */
  readonly invitation: string;
}

export const START: CourseLinkState = { courseQuestion: "", courseLanguage: "", courseTab: "", invitation: "" };

export const CODECS: Codecs<CourseLinkState> = { courseQuestion: text, courseLanguage: text, courseTab: text, invitation: text };

/** Changes of these deserve a step back in the browser's history. */
export const STEPS: readonly (keyof CourseLinkState)[] = ["courseQuestion", "courseTab"];
