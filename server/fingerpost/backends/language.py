"""Which language a text is in, by the tables of py3langid; they are read when they are first needed."""

from functools import cached_property
from typing import Any

UNDETERMINED = "und"  # ISO 639-2

_READ_CHARACTERS = 1_000
_MIN_LETTER_BYTES = 12
"""Of UTF-8: four letters of Chinese say as much as twelve of English. Less is often taken for another language."""

_MIN_PROBABILITY = 0.5


class LangidDetector:
    """Detects languages; of one thread."""

    @cached_property
    def _identifier(self) -> Any:  # noqa: ANN401  the package has no types
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        identifier.set_languages([label for label in identifier.labels if len(label) == 2])
        return identifier

    def detect(self, text: str) -> str:
        """ISO 639-1 code of the language of the text's beginning; "und" where it says too little."""
        head = text[:_READ_CHARACTERS]
        if sum(len(character.encode()) for character in head if character.isalpha()) < _MIN_LETTER_BYTES:
            return UNDETERMINED
        language, probability = self._identifier.classify(head)
        return str(language) if probability >= _MIN_PROBABILITY else UNDETERMINED
