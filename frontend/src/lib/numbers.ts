/** Numbers as the library writes them (`render/numbers.py`), and as Python prints them. */

/** `0`, `0.0312`, `12.5`, `1.23e-04`: that many significant digits, an exponent below 0.001 and from 10,000 on. */
export function number(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "nan";
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const text = value.toExponential(digits - 1);
  const [mantissa = "", exponent = "0"] = text.split("e");
  const power = Number(exponent);
  if (power >= -3 && power <= 3) return Number(text).toFixed(Math.max(0, digits - 1 - power));
  return `${mantissa}e${padded(power)}`;
}

/** As one reads it: four significant digits. All of them are a tooltip away (`printed`), and in what is exported. */
export const brief = (value: number): string => number(value, 4);

/** `95 %`, `0.4 %`, `<0.1 %`: never 0 or 100 % unless it is. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || Number.isNaN(share)) return "nan";
  if (share === 0) return "0 %";
  if (share === 1) return "100 %";
  if (share < 0.001) return "<0.1 %";
  if (share > 0.999) return ">99.9 %";
  return `${(share * 100).toFixed(share >= 0.0995 && share < 0.995 ? 0 : 1)} %`;
}

/** What `print(value)` prints in Python for the double that this number is. */
export function printed(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  if (value === 0) return "0.0";
  const [mantissa = "", exponent = "0"] = value.toExponential().split("e");
  const power = Number(exponent);
  if (power < -4 || power >= 16) return `${mantissa}e${padded(power)}`;
  const plain = plainDecimal(mantissa, power);
  return plain.includes(".") ? plain : `${plain}.0`;
}

function plainDecimal(mantissa: string, power: number): string {
  const sign = mantissa.startsWith("-") ? "-" : "";
  const digits = mantissa.replace(/[-.]/g, "");
  if (power < 0) return `${sign}0.${"0".repeat(-power - 1)}${digits}`;
  if (digits.length <= power + 1) return sign + digits.padEnd(power + 1, "0");
  return `${sign}${digits.slice(0, power + 1)}.${digits.slice(power + 1)}`;
}

function padded(power: number): string {
  return `${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

export function seconds(value: number): string {
  return value < 10 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`;
}
