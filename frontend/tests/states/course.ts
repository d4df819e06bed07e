import fc from "fast-check";
import type { CourseLinkState } from "../../src/lib/states/course";
import { text } from "./values";

export const course: fc.Arbitrary<CourseLinkState> = fc.record({ courseQuestion: text, courseLanguage: text, courseTab: text, invitation: text });
