/** The library's own palettes (`render/colormaps.py`), 255 colours from low to high, red green blue; a test compares them. */
export const PALETTES = {
  symmetric:
    "BTBhBjJkBzRnCDZqCTltCztwDD1zDT92DkF5D0N8EEV/EUeBEkqEE0yHFE6KFlCNF1KQGFSTGVaWGliZG1ucHF2fHV+iHmGlH2OoIWWrImetI2" +
    "mtJGuuJmyvJ26wKHCxKnKyK3OzLXW0Lne1L3m2MXu3Mny3M364NYC5NoK6N4O7OYW8Ooe9O4m+PYq/PozAP47AQZDBQpLCRJPDR5XESpfFTZnG" +
    "UJvHU53JVp/KWaHLXaPMYKXNY6fOZqnPaavQbK3Rb6/ScrHTdbPUeLXVfLfWf7nXgrvYhb3aiL/bi8HcjsPdkcXelMbflsffmcngm8rhnsvhoM" +
    "zio87jpc/kqNDkqtHlrdPmr9TmstXntNbot9joudnpvNrqvtvrwd3rw97sxt/tyODty+LuzePv0OTw0uXw0+bw1efx1ufx2Ojx2enx2+ry3Ory" +
    "3uvy3+zz4ezz4u3z5O7z5e705+/06PD06vH16/H17fL17vP18PP28fT28/X29Pb29vb39/f39/b19/Xz+PTx+PPv+PHu+PDs+e/q+e7o+e3m+e" +
    "zk+uvi+urg+une+ujd++bb++XZ++TX++PV++LT/OHR/ODP/N/N/N7M/d3K/dvI/drF/NjD/NXA/NO9+9G7+8+4+821+suy+smw+set+cSq+cKn" +
    "+cCl+L6i+Lyf97qd97ia97aX9rOU9rGS9q+P9a2M9auK9amH9KeE9KSC86J/8Z998Jx775p57pd37ZR165Fz6o9x6Yxv6Ilt54dr5oRp5IFm43" +
    "5k4nxi4Xlg4HZe33Rc3XFa3G5Y22tW2mlU2WZS12NQ1mFN1V5M01tL0lhJ0VVIz1JHzlBFzE1Ey0pDykdByERAx0E/xT89xDw8wjk7wTY5wDM4" +
    "vjA3vS41uys0uigyuSUxtyIwth8utB0tsxossRgrrhcqqxYqqBUppRQpohMonxIonBEomRAnlg8nkw4mkA0mjQwligslhwokhQkkggkjfwgjfA" +
    "cieQYidgUhcwQhcAMgbQIgagEfZwAf",
  magnitude:
    "AAAEAQAFAQEGAQEIAgEJAgILAgINAwMPAwMSBAQUBQQWBgUYBgUaBwYcCAceCQcgCggiCwkkDAkmDQopDgsrEAstEQwvEg0xEw00FA42FQ44Fg" +
    "87GA89GRA/GhBCHBBEHRFHHhFJIBFLIRFOIhFQJBJTJRJVJxJYKRFaKhFcLBFfLRFhLxFjMRFlMxBnNBBpNhBrOBBsOQ9uOw9wPQ9xPw9yQA90" +
    "Qg91RA92RRB3RxB4SRB4ShB5TBF6ThF7TxJ7URJ8UhN8VBN9VhR9VxV+WRV+WhZ+XBZ/XRd/Xxh/YBiAYhmAZBqAZRqAZxuAaByBahyBax2BbR" +
    "2Bbh6BcB+Bch+BcyCBdSGBdiGBeCKBeSKCeyOCfCOCfiSCgCWCgSWBgyaBhCaBhieBiCeBiSiBiymBjCmBjiqBkCqBkSuBkyuAlCyAliyAmC2A" +
    "mS2Amy5/nC5/ni9/oC9/oTB+ozB+pTF+pjF9qDJ9qjN9qzN8rTR8rjR7sDV7sjV7szZ6tzd5uDd5ujh4vDl4vTl3vzp3wDp2wjt1xDx1xTx0xz" +
    "1zyD5zyj5yzD9xzUBxz0Bw0EFv0kJv00Nu1URt1kVs2EVs2UZr20dq3Ehp3klo30po4Exn4k1m405l5E9k5VBk51Jj6FNi6VRi6lZh61dg7Fhg" +
    "7Vpf7lte711e8F9e8WBd8mJd8mRc82Vc9Gdc9Glc9Wtc9mxc9m5c93Bc93Jc+HRc+HZc+Xhd+Xld+Xtd+n1e+n9e+oFf+4Nf+4Vg+4dh/Ilh/I" +
    "pi/Ixj/I5k/JBl/ZJm/ZRn/ZZo/Zhp/Zpq/Ztr/p1s/p9t/qFu/qNv/qVx/qdy/qlz/qp0/qx2/q53/rB4/rJ6/rR7/rZ8/rd+/rl//ruB/r2C" +
    "/r+E/sGF/sKH/sSI/saK/siM/sqN/syP/s2Q/s+S/tGU/tOV/tWX/teZ/tia/dqc/dye/d6g/eCh/eKj/eOl/eWn/eep/emq/eus/Oyu/O6w/P" +
    "Cy/PK0/PS2/Pa4/Pe5/Pm7/Pu9/P2/",
} as const;
