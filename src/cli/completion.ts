import { Argument, type Command, type Option } from "commander";

const SHELLS = { bash, zsh, fish };

export function register(program: Command): void {
  program
    .command("completion")
    .description("Prints a shell script that completes commands, options, choices, models and files.")
    .addArgument(new Argument("<shell>", "your shell").choices(Object.keys(SHELLS)))
    .addHelpText(
      "after",
      `
Examples:
  $ eval "$(pipeline completion bash)"                                  # in ~/.bashrc
  $ pipeline completion zsh > "\${fpath[1]}/_pipeline"                    # then start a new shell
  $ pipeline completion fish > ~/.config/fish/completions/pipeline.fish`,
    )
    .action(async (shell: keyof typeof SHELLS) => {
      const { shippedModels } = await import("../model/load.js");
      process.stdout.write(SHELLS[shell](verbsOf(program, shippedModels())));
    });
}

/** What can be completed at a position: these words, and files if allowed. */
interface Wanted {
  readonly words: readonly string[];
  readonly files: boolean;
}

interface Value extends Wanted {
  readonly option: Option;
}

/** A command or subcommand. `words` only complete the first argument after its name. */
interface Verb extends Wanted {
  /** As typed, e.g. `models show`. */
  readonly name: string;
  readonly about: string;
  readonly options: readonly Option[];
  /** The options that take a value. */
  readonly values: readonly Value[];
}

/** Arguments that are not files. */
const NO_FILES = ["command", "subject", "ids"];

function verbsOf(program: Command, models: readonly string[]): Verb[] {
  const { commands } = program;
  const names = commands.map((command) => command.name());
  return commands.flatMap((command) => {
    const name = command.name();
    if (name === "help") return [{ ...verbOf(command, name, models), words: names }];
    if (command.commands.length === 0) return [verbOf(command, name, models)];
    const under = command.commands.map((own) => verbOf(own, `${name} ${own.name()}`, models));
    const words = command.commands.map((own) => own.name());
    // A group's bare name runs its `list` command.
    const { options = [], values = [] } = under.find((own) => own.name === `${name} list`) ?? {};
    const group = { name, about: command.description(), options, values, words, files: false };
    return [group, ...under, { ...group, name: `help ${name}`, options: [], values: [] }];
  });
}

function verbOf(command: Command, name: string, models: readonly string[]): Verb {
  const {
    options,
    registeredArguments: [argument],
  } = command;
  const values = options
    .filter(({ required }) => required)
    .map((option) => ({
      option,
      ...wanted(option.argChoices, option.long === "--model" ? models : []),
    }));
  const own =
    argument === undefined || NO_FILES.includes(argument.name())
      ? { words: [], files: false }
      : wanted(argument.argChoices, /^models?$/.test(argument.name()) ? models : []);
  return { name, about: command.description(), options, values, ...own };
}

function wanted(choices: readonly string[] | undefined, models: readonly string[]): Wanted {
  return { words: choices ?? models, files: choices === undefined };
}

const isUnder = ({ name }: Verb) => name.includes(" ");

/** An option as the user types it. */
function flag({ long, short }: Option): string {
  return long ?? short ?? "";
}

/** `"run -o"|"run --output"`: options preceded by their verb, as the scripts match them. */
function pattern({ name }: Verb, values: readonly Value[]): string {
  const flags = values.flatMap(({ option: { long, short } }) => [long, short]);
  return flags.flatMap((text) => (text ? [`"${name} ${text}"`] : [])).join("|");
}

/** Also works with bash 3.2, the version macOS ships. */
function bash(verbs: readonly Verb[]): string {
  const cases = verbs.map(
    ({ name, options, words, files }) =>
      `    "${name}") options="${[...options.map(flag), "--help"].join(" ")}" words="${words.join(" ")}" files=${files ? 1 : ""} ;;`,
  );
  return `# bash completion of pipeline
_pipeline() {
  local word=\${COMP_WORDS[COMP_CWORD]} verb=\${COMP_WORDS[1]} at=2 options= words= files= name
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "${verbs
      .filter((verb) => !isUnder(verb))
      .map(({ name }) => name)
      .join(" ")} --help --version" -- "$word"))
    return
  fi
  if [[ $COMP_CWORD -gt 2 ]]; then
    case "$verb \${COMP_WORDS[2]}" in
    ${names(verbs)}) verb="$verb \${COMP_WORDS[2]}" at=3 ;;
    esac
  fi
  case $verb in
${cases.join("\n")}
  esac
  case "$verb \${COMP_WORDS[COMP_CWORD-1]}" in
${valueCases(verbs, (words) => `words="${words.join(" ")}" at=$COMP_CWORD`)}
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
    return
  fi
  COMPREPLY=()
  if [[ $COMP_CWORD -eq $at ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  fi
  if [[ -n $files ]]; then
    while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen -f -- "$word")
  fi
}
complete -o filenames -F _pipeline pipeline
`;
}

/** Two-word names, as a pattern. */
function names(verbs: readonly Verb[]): string {
  return verbs
    .filter(isUnder)
    .map(({ name }) => `"${name}"`)
    .join("|");
}

/** One case per verb and kind of option value. */
function valueCases(verbs: readonly Verb[], set: (words: readonly string[]) => string): string {
  const lines = verbs.flatMap((verb) => {
    const plain = verb.values.filter(({ words }) => words.length === 0);
    const other = verb.values.filter(({ words }) => words.length > 0);
    return [plain, ...other.map((value) => [value])].flatMap((alike) => {
      const [first] = alike;
      if (!first) return [];
      return [`    ${pattern(verb, alike)}) ${set(first.words)} files=${first.files ? 1 : ""} ;;`];
    });
  });
  return lines.join("\n");
}

/** Quotes a text for the shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function zsh(verbs: readonly Verb[]): string {
  const item = (name: string, about: string) => quote(`${name}:${about.replaceAll(":", "\\:")}`);
  const cases = verbs.map(({ name, options, words, files }) => {
    const listed = options.map((option) => item(flag(option), option.description)).join(" ");
    return `    "${name}") options=(${listed} '--help:display help for command'); choices=(${words.map(quote).join(" ")}); files=${files ? 1 : ""} ;;`;
  });
  return `#compdef pipeline
_pipeline() {
  local -a verbs options choices
  local verb=$words[2] at=3 files= found=1
  if (( CURRENT == 2 )); then
    verbs=(${verbs
      .filter((verb) => !isUnder(verb))
      .map(({ name, about }) => item(name, about))
      .join(" ")})
    options=('--help:display help for command' '--version:output the version number')
    if [[ $PREFIX == -* ]]; then _describe -o option options; else _describe verb verbs; fi
    return
  fi
  if (( CURRENT > 3 )); then
    case "$verb $words[3]" in
    ${names(verbs)}) verb="$verb $words[3]"; at=4 ;;
    esac
  fi
  case $verb in
${cases.join("\n")}
  esac
  case "$verb $words[CURRENT-1]" in
${valueCases(verbs, (words) => `choices=(${words.map(quote).join(" ")}); at=$CURRENT;`)}
  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o option options
    return
  fi
  (( CURRENT == at && $#choices )) && compadd -a choices && found=0
  [[ -n $files ]] && _files && found=0
  return found
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _pipeline "$@"; else compdef _pipeline pipeline; fi
`;
}

function fish(verbs: readonly Verb[]): string {
  const lines = verbs.flatMap((verb) => {
    const { name, about, words, files, options } = verb;
    const listed = isUnder(verb)
      ? []
      : [`complete -c pipeline -f -n __pipeline_at -a ${name} -d ${quote(about)}`];
    const isGroup = verbs.some((other) => other.name.startsWith(`${name} `));
    const place = quote(`${isGroup ? "__pipeline_alone" : "__pipeline_in"} ${name}`);
    return [
      ...listed,
      ...(files ? [] : [`complete -c pipeline -f -n ${place}`]),
      ...(words.length > 0
        ? [`complete -c pipeline -n '__pipeline_at ${name}' -a ${quote(words.join(" "))}`]
        : []),
      ...options.map((option) =>
        fishOption(
          place,
          option,
          verb.values.find((value) => value.option === option),
        ),
      ),
    ];
  });
  return `# fish completion of pipeline
function __pipeline_at # whether exactly these words precede the one being completed
    set -l given (commandline -opc)
    set -e given[1]
    test "$given" = "$argv"
end
function __pipeline_in # whether the line starts with these words
    set -l given (commandline -opc)
    set -e given[1]
    string match -q -- "$argv *" "$given "
end
function __pipeline_alone # the same, followed by nothing but options
    set -l given (commandline -opc)
    set -e given[1]
    string match -qr -- "^$argv (-|\\z)" "$given "
end
complete -c pipeline -s h -l help -d 'display help for command'
complete -c pipeline -n __pipeline_at -l version -d 'output the version number'
${lines.join("\n")}
`;
}

function fishOption(place: string, option: Option, value: Value | undefined): string {
  const parts = [`complete -c pipeline -n ${place}`];
  if (option.long) parts.push(`-l ${option.long.replace(/^--/, "")}`);
  if (option.short) parts.push(`-s ${option.short.replace(/^-/, "")}`);
  if (value) parts.push(value.files ? "-r -F" : "-x");
  if (value && value.words.length > 0) parts.push(`-a ${quote(value.words.join(" "))}`);
  return `${parts.join(" ")} -d ${quote(option.description)}`;
}
