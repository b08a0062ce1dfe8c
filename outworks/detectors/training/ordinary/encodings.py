"""encodings: generated base64, hexadecimal, identifiers and addresses."""

import base64
import uuid

from outworks.detectors.training.ordinary.kinds import Kinds


class Encodings(Kinds):
    """Bytes as letters."""

    def base64(self) -> str:
        text = base64.b64encode(self.rng.randbytes(self.rng.randint(24, 900))).decode()
        form = self.rng.randrange(8)
        if form == 0:
            return "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
        if form == 1:
            return text.replace("+", "-").replace("/", "_").rstrip("=")
        if form == 2:
            return "data:image/png;base64," + text
        if form == 3:
            return ".".join(base64.urlsafe_b64encode(self.rng.randbytes(n)).decode().rstrip("=") for n in (27, 60, 32))
        if form == 4:
            lines = "\n".join(text[i : i + 64] for i in range(0, len(text), 64))
            return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----"
        return f"ssh-rsa {text} user@{self._word()}" if form == 5 else text

    def base32(self) -> str:
        return base64.b32encode(self.rng.randbytes(self.rng.randint(20, 300))).decode()

    def hex(self) -> str:
        text = self.rng.randbytes(self.rng.randint(8, 300)).hex()
        pairs = [text[i : i + 2] for i in range(0, len(text), 2)]
        dump = (f"{i * 16:08x}  {' '.join(pairs[i * 16 : i * 16 + 16])}" for i in range(1 + len(pairs) // 16))
        forms = text, text.upper(), " ".join(pairs), ":".join(pairs), "\n".join(dump), f"0x{text}"
        return self.rng.choice((*forms, ", ".join("0x" + pair for pair in pairs)))

    def bytes_literal(self) -> str:
        body = "".join(f"\\x{byte:02x}" for byte in self.rng.randbytes(self.rng.randint(10, 120)))
        return (
            self.rng.choice(('b"', "'", 'shellcode = b"')) + self.rng.choice((body, '"\nb"'.join(_cut(body, 56)))) + '"'
        )

    def uuids(self) -> str:
        return self._joined(("\n", ", ", " ", "','"), 1, 20, lambda: str(uuid.UUID(bytes=self.rng.randbytes(16))))

    def urls(self) -> str:
        return self._joined(("\n", " ", ", "), 1, 6, self._url)


def _cut(text: str, length: int) -> list[str]:
    return [text[i : i + length] for i in range(0, len(text), length)]
