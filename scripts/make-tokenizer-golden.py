"""Makes test/golden/tiny-tokenizer/ and the ids that Python's transformers gives with it.

    python scripts/make-tokenizer-golden.py                      writes the tokenizer and test/golden/tokenizer-ids.json
    python scripts/make-tokenizer-golden.py FOLDER FILE.txt OUT  only writes the ids of FILE.txt with FOLDER's tokenizer

Needs `pip install transformers tokenizers jinja2`.
"""

import json
import sys
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


def encode_file(folder: str, text: str, out: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with open(text, encoding="utf8") as file:
        ids = tokenizer(file.read(), add_special_tokens=False)["input_ids"]
    Path(out).write_text(json.dumps(ids))


if __name__ == "__main__":
    encode_file(*sys.argv[1:]) if len(sys.argv) == 4 else main()
