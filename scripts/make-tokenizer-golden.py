"""Makes what text is compared with: ids of Python's transformers and tokenizers, and dates by strftime.

    python scripts/make-tokenizer-golden.py                      writes test/golden/tiny-tokenizer/, tokenizer-ids.json,
                                                                 tokenizer-variants.json and strftime.json
    python scripts/make-tokenizer-golden.py FOLDER FILE.txt OUT  only writes the ids of FILE.txt with FOLDER's tokenizer

Needs `pip install transformers tokenizers jinja2`.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

golden = Path(__file__).resolve().parent.parent / "test" / "golden"

TRAINING_TEXT = [
    "The gardener cuts the branches that bear no fruit, and the tree grows stronger for it.",
    "the the the and and that this with which where when were was is in on of to for from it its",
    "A pruned model keeps the weights that matter; the others become zero, exactly zero, and stay there.",
    "for (let i = 0; i < 10; i++) { total += values[i] * weights[i]; }\n    return total;\n",
    "1234567890 2024-07-26 3.14159 100 % 50 %",
    "Der Gärtner schneidet die Äste. Le jardinier taille les branches. El jardinero poda las ramas.",
] * 4

TEMPLATE = """{{ bos_token }}{% for message in messages %}
    {% if message['role'] not in ['system', 'user', 'assistant'] %}
        {{ raise_exception('unknown role ' + message['role']) }}
    {% endif %}
<|turn|>{{ message['role'] | upper }}: {{ message['content'] | trim }}{{ eos_token if message['role'] == 'assistant' else '' }}
{% endfor %}
{% if add_generation_prompt %}<|turn|>ASSISTANT: {% endif %}"""

TEXTS = [
    "",
    " ",
    "\n",
    "   leading and trailing   ",
    "The gardener cuts the branches.",
    "two  spaces,   three;\ttabs\t\tand\n\n\nlines \n ends ",
    "\r\nwindows\r\nlines\r",
    "don't can't we'll I'm you've they'd it's 'quoted' 'S 'LL",
    "CamelCase snake_case kebab-case SHOUT x1y2z3 0x1F 3.14e-10 1,000,000",
    "naïve café Äpfel straße ŒUVRE İstanbul",
    "e\u0301 versus \u00e9 and \ufb01 ligature",
    "日本語のテキスト、中文文本。한국어 텍스트",
    "Привет, мир! Γειά σου Κόσμε. שלום עולם مرحبا بالعالم",
    "👩‍👩‍👧‍👦 family, 🏳️‍🌈 flag, 👍🏽 thumb, 𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
    "zero\u200bwidth\u00a0nbsp\u3000ideographic\u2028line\u2029paragraph\u0085next\ufeffbom",
    "control \u0000\u0001\u001b[0m\u007f end",
    "<|bos|>special<|eos|> tokens <|turn|> in <|unknown|> the text<|eos|>",
    "<|bos|><|bos|> <|eos|>",
    "def f(x):\n    return {'a': [1, 2, 3], \"b\": x ** 2}  # comment\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n",
    "a" * 300,
    " " * 70 + "x" + "\n" * 40,
    "ab" * 100 + "!?" * 50,
    "\ud7ff\ue000\uffff\U00010000\U0010ffff",
]

CHATS = [
    [{"role": "user", "content": "Which branches should I cut?"}],
    [
        {"role": "system", "content": "  You are a gardener.  "},
        {"role": "user", "content": "Which branches?\nAnd when?"},
        {"role": "assistant", "content": "Those that bear no fruit. 🌳"},
    ],
    [{"role": "assistant", "content": ""}, {"role": "user", "content": "<|eos|> inside"}],
]


def train() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=["<|bos|>", "<|eos|>", "<|turn|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TRAINING_TEXT, trainer)
    return tokenizer


def main() -> None:
    folder = golden / "tiny-tokenizer"
    folder.mkdir(parents=True, exist_ok=True)
    train().save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|bos|>",
        "eos_token": "<|eos|>",
        "pad_token": "<|eos|>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 256,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    result = {
        "vocabulary_size": len(tokenizer),
        "texts": [{"text": text, "ids": tokenizer(text, add_special_tokens=False)["input_ids"]} for text in TEXTS],
        "chats": [
            {"messages": chat, "ids": tokenizer.apply_chat_template(chat, tokenize=True, return_dict=False)}
            for chat in CHATS
        ],
    }
    (golden / "tokenizer-ids.json").write_text(json.dumps(result) + "\n")
    write_variants()
    write_dates()


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)

VARIANT_TEXTS = [
    "1 ½ cups, a ² b³ and 10⁶; ½½ 1½2",
    "٣ ४ Ⅷ 千 ①② १२٣٤ 345 6789 Ⅷ7",
    "It's 'Sam' 'ſo' don'T ſ's K's",
    "a b  c\n\n e, -- (f)!? «g»",
    " \ufeffx \u0085 y\u0085\u0085 \u3000 \ufeff",
    " e\u0301t\u00e9  ΟΔΥΣ ΣΑΣ. ﬁn İ \t",
    "<s>a<s> <x><s>x $& a$1 👍🏽 日本",
    "a\u0004\u0006b \u0004 \u0006 ~|~~|",
    "",
    " ",
]


def pieces(*before: dict, ending: dict = BYTES) -> dict:
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [*before, ending]}}


def split(pattern: dict, behavior: str, invert: bool = False) -> dict:
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def added(content: str, id: int, **flags: bool) -> dict:
    none = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return {"id": id, "content": content, **none, **flags}


def byte_variants(size: int) -> dict[str, dict]:
    """Changes of a tokenizer of bytes: of its parts, and within its model."""
    digits = {"type": "Digits", "individual_digits": True}
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    tokens = [added("<s>", size, special=True), added("a<s", size + 1, normalized=True), added("<x>", size + 2, rstrip=True)]
    result = {
        "Digits one by one": {**pieces(digits, ending={**BYTES, "use_regex": True}), "normalizer": {"type": "NFC"}},
        "Digits": pieces({**digits, "individual_digits": False}),
        "Digits of spelled bytes": pieces(BYTES, ending=digits),
        "ByteLevel with a prefix": {"pre_tokenizer": {**BYTES, "add_prefix_space": True, "use_regex": True}},
        "Whitespace": pieces({"type": "Whitespace"}),
        "WhitespaceSplit": pieces({"type": "WhitespaceSplit"}),
        "BertPreTokenizer": pieces({"type": "BertPreTokenizer"}),
        "FixedLength": pieces({"type": "FixedLength", "length": 3}),
        "CharDelimiterSplit": pieces({"type": "CharDelimiterSplit", "delimiter": "|"}),
        "Split of letters whatever their case": pieces(split({"Regex": QWEN}, "Isolated")),
        "Split of letters of a class whatever their case": pieces(split({"Regex": CL100K}, "Removed", True)),
        "Split between thousands": pieces(split({"Regex": r"(?=(\d{3})+(?!\d))"}, "Isolated")),
        "Metaspace": pieces(metaspace),
        "Strip, Prepend": {
            **pieces(),
            "normalizer": {
                "type": "Sequence",
                "normalizers": [
                    {"type": "Strip", "strip_left": True, "strip_right": True},
                    {"type": "Prepend", "prepend": "$&"},
                ],
            },
        },
        "Lowercase": {**pieces(), "normalizer": {"type": "Lowercase"}},
        "NFKC": {**pieces(), "normalizer": {"type": "NFKC"}},
        "NFD, StripAccents": {
            **pieces(),
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]},
        },
        "Replace": {**pieces(), "normalizer": {"type": "Replace", "pattern": {"Regex": r"\s{2,}"}, "content": "$0$&$$"}},
        "added tokens, normalized ones last": {**pieces(), "added_tokens": tokens},
        "added tokens behind a normalizer": {**pieces(), "added_tokens": tokens, "normalizer": {"type": "NFC"}},
        "unknown bytes left out": {**pieces(digits), "model": {"without": ["Ħ", "Ĩ", "~"]}},
        "unknown bytes": {**pieces(digits), "model": {"without": ["Ħ", "Ĩ", "~"], "unk_token": "Z"}},
        "unknown bytes as one": {**pieces(digits), "model": {"without": ["Ħ", "Ĩ", "~"], "unk_token": "Z", "fuse_unk": True}},
    }
    for behavior in ["Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext"]:
        result[f"Split, {behavior}"] = pieces(split({"Regex": "[0-9½]"}, behavior))
        result[f"Split, {behavior}, inverted"] = pieces(split({"Regex": "[0-9½]"}, behavior, True))
    for behavior in ["Removed", "MergedWithPrevious", "MergedWithNext"]:
        result[f"Split by a text, {behavior}"] = pieces(split({"String": " "}, behavior))
    result["Split, MergedWithPrevious, runs"] = pieces(split({"Regex": "[^a-z]+"}, "MergedWithPrevious"))
    result["Split, MergedWithNext, runs"] = pieces(split({"Regex": "\\p{N}+"}, "MergedWithNext"))
    for behavior in ["Isolated", "Contiguous", "MergedWithNext"]:
        result[f"Punctuation, {behavior}"] = pieces({"type": "Punctuation", "behavior": behavior})
    return result


def character_variants(size: int) -> dict[str, dict]:
    """The same of a tokenizer of characters with byte_fallback for a few of them, and of other models."""
    metaspace = {"type": "Metaspace", "replacement": "▁", "split": True}
    llama = [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]
    tokens = {"added_tokens": [added("<s>", size, special=True), added("<x>", size + 1, normalized=True)]}
    words = ["?", *"abcdefxy12▁,'", "It", "don", "▁c", "▁▁", "cups", "##b", "##s", "and"]
    vocab = {word: i for i, word in enumerate(words)}
    return {
        **{
            f"Metaspace, {scheme}{'' if whole else ', split'}": {
                "pre_tokenizer": {**metaspace, "prepend_scheme": scheme, "split": not whole},
                **tokens,
            }
            for scheme in ["always", "first", "never"]
            for whole in [False, True]
        },
        "Prepend, Replace": {
            "normalizer": {"type": "Sequence", "normalizers": llama},
            "model": {"fuse_unk": True, "byte_fallback": True},
            **tokens,
        },
        "a Split that never splits": {
            "normalizer": llama[1],
            "pre_tokenizer": split({"String": " "}, "MergedWithPrevious"),
        },
        "Unigram": {
            "pre_tokenizer": {**metaspace, "prepend_scheme": "always", "split": False},
            "model": {
                "type": "Unigram",
                "unk_id": 0,
                "vocab": [[word, -0.5 * i] for i, word in enumerate(words)],
                "byte_fallback": False,
            },
        },
        "WordPiece": {
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "normalizer": {"type": "Lowercase"},
            "model": {
                "type": "WordPiece",
                "unk_token": "?",
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 9,
                "vocab": vocab,
            },
        },
        "WordLevel": {
            "pre_tokenizer": {"type": "Whitespace"},
            "model": {"type": "WordLevel", "unk_token": "?", "vocab": vocab},
        },
    }


def changed(base: dict, change: dict) -> dict:
    model = {**base["model"], **change.get("model", {})}
    gone = model.pop("without", [])
    if gone:
        model["vocab"] = {token: id for token, id in model["vocab"].items() if token not in gone}
    return {**base, **change, "model": model if "type" not in change.get("model", {}) else change["model"]}


def write_variants() -> None:
    """Tokenizers whose merges go across everything, so that a piece that begins elsewhere has other ids."""
    sequences: list[list[int]] = []
    result = {"texts": VARIANT_TEXTS, "sequences": sequences, "tokenizers": []}
    for alphabet, variants in [(pre_tokenizers.ByteLevel.alphabet(), byte_variants), ([], character_variants)]:
        tokenizer = Tokenizer(models.BPE(unk_token=None if alphabet else "<unk>"))
        if alphabet:
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        trainer = trainers.BpeTrainer(
            vocab_size=len(alphabet) + 80,
            initial_alphabet=alphabet,
            special_tokens=[] if alphabet else ["<unk>"],
            limit_alphabet=len(alphabet) or 30,
            max_token_length=8,
            show_progress=False,
        )
        texts = [text if alphabet else text.replace(" ", "▁") for text in VARIANT_TEXTS[:6] * 2]
        tokenizer.train_from_iterator(texts, trainer)
        base = {**json.loads(tokenizer.to_str()), "added_tokens": []}
        size = tokenizer.get_vocab_size()
        compared = []
        for name, change in variants(size).items():
            variant = Tokenizer.from_str(json.dumps(changed(base, change)))
            ids = [variant.encode(text, add_special_tokens=False).ids for text in VARIANT_TEXTS]
            sequences.extend(each for each in ids if each not in sequences)
            compared.append({"name": name, "change": change, "ids": [sequences.index(each) for each in ids]})
        result["tokenizers"].append({"base": base, "variants": compared})
    text = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
    (golden / "tokenizer-variants.json").write_text(text + "\n", encoding="utf8")


def write_dates() -> None:
    dates = [(2024, 7, 26, 0, 0, 0), (2001, 1, 7, 13, 5, 9), (2020, 12, 31, 12, 0, 59)]
    formats = [f"%{letter}" for letter in "aAbBcdDeFfhHIjklmMnpPrRStTuwxXyYzZ%"]
    formats += [f"%{flag}{letter}" for flag in "-_0" for letter in "deHIjklmMSuwyY"]
    formats += ["Today is %A, %-d %B %Y.", "%d %b %Y", "100%", "%%d %", "%Y-%m-%dT%H:%M:%S"]
    result = [
        {"date": date, "texts": {format: datetime(*date).strftime(format) for format in formats}} for date in dates
    ]
    text = json.dumps(result, separators=(",", ":"))
    (golden / "strftime.json").write_text(text + "\n")


def encode_file(folder: str, text: str, out: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with open(text, encoding="utf8") as file:
        ids = tokenizer(file.read(), add_special_tokens=False)["input_ids"]
    Path(out).write_text(json.dumps(ids))


if __name__ == "__main__":
    encode_file(*sys.argv[1:]) if len(sys.argv) == 4 else main()
