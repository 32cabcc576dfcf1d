import { Argument, type Command, type Option } from "commander";

const SHELLS = { bash, zsh, fish };

export function register(program: Command): void {
  program
    .command("completion")
    .description("Prints a script that completes verbs, options and choices in your shell.")
    .addArgument(new Argument("<shell>", "your shell").choices(Object.keys(SHELLS)))
    .addHelpText(
      "after",
      `
Examples:
  $ eval "$(pipeline completion bash)"                                  # in ~/.bashrc
  $ pipeline completion zsh > "\${fpath[1]}/_pipeline"                    # then a new shell
  $ pipeline completion fish > ~/.config/fish/completions/pipeline.fish`,
    )
    .action((shell: keyof typeof SHELLS) => {
      process.stdout.write(SHELLS[shell](verbsOf(program)));
    });
}

interface Verb {
  readonly name: string;
  readonly about: string;
  /** Its own and those of the verbs under it. */
  readonly options: readonly Option[];
  /** Names of the verbs under it, and the choices of its first argument. */
  readonly words: readonly string[];
}

function verbsOf(program: Command): Verb[] {
  return program.commands.map((command) => {
    const all = [command, ...command.commands].flatMap(({ options }) => options);
    return {
      name: command.name(),
      about: command.description(),
      options: all.filter((option, i) => all.findIndex(({ long }) => long === option.long) === i),
      words: [
        ...command.commands.map((under) => under.name()),
        ...(command.registeredArguments[0]?.argChoices ?? []),
      ],
    };
  });
}

/** As the user types it. */
function flag({ long, short }: Option): string {
  return long ?? short ?? "";
}

/** For bash 3.2, which macOS has, as well. */
function bash(verbs: readonly Verb[]): string {
  const choices = verbs.flatMap(({ name, options }) =>
    options.flatMap((option) =>
      option.argChoices ? [`    "${name} ${flag(option)}") words="${option.argChoices.join(" ")}" ;;`] : [],
    ),
  );
  const cases = verbs.map(
    ({ name, options, words }) =>
      `    ${name}) options="${[...options.map(flag), "--help"].join(" ")}" words="${words.join(" ")}" ;;`,
  );
  return `# bash completion of pipeline
_pipeline() {
  local word=\${COMP_WORDS[COMP_CWORD]} options= words= name
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "${verbs.map(({ name }) => name).join(" ")} --help --version" -- "$word"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
  esac
  case "\${COMP_WORDS[1]} \${COMP_WORDS[COMP_CWORD-1]}" in
${choices.join("\n")}
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif [[ -n $words ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  else
    COMPREPLY=()
    while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen -f -- "$word")
  fi
}
complete -o filenames -F _pipeline pipeline
`;
}

/** A text between single quotes. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function zsh(verbs: readonly Verb[]): string {
  const item = (name: string, about: string) => quote(`${name}:${about.replaceAll(":", "\\:")}`);
  const cases = verbs.map(({ name, options, words }) => {
    const listed = options.map((option) => item(flag(option), option.description)).join(" ");
    return `    ${name}) options=(${listed} '--help:says more'); choices=(${words.map(quote).join(" ")}) ;;`;
  });
  const choices = verbs.flatMap(({ name, options }) =>
    options.flatMap((option) =>
      option.argChoices
        ? [`    '${name} ${flag(option)}') choices=(${option.argChoices.map(quote).join(" ")}) ;;`]
        : [],
    ),
  );
  return `#compdef pipeline
_pipeline() {
  local -a verbs options choices
  if (( CURRENT == 2 )); then
    verbs=(${verbs.map(({ name, about }) => item(name, about)).join(" ")})
    _describe verb verbs
    return
  fi
  case $words[2] in
${cases.join("\n")}
  esac
  case "$words[2] $words[CURRENT-1]" in
${choices.join("\n")}
  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o option options
  elif (( $#choices )); then
    compadd -a choices
  else
    _files
  fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _pipeline "$@"; else compdef _pipeline pipeline; fi
`;
}

function fish(verbs: readonly Verb[]): string {
  const lines = verbs.flatMap(({ name, about, options, words }) => [
    `complete -c pipeline -f -n __fish_use_subcommand -a ${name} -d ${quote(about)}`,
    ...(words.length > 0
      ? [`complete -c pipeline -f -n '__fish_seen_subcommand_from ${name}' -a ${quote(words.join(" "))}`]
      : []),
    ...options.map((option) => fishOption(name, option)),
  ]);
  return `# fish completion of pipeline\n${lines.join("\n")}\n`;
}

function fishOption(verb: string, option: Option): string {
  const parts = [`complete -c pipeline -n '__fish_seen_subcommand_from ${verb}'`];
  if (option.long) parts.push(`-l ${option.long.replace(/^--/, "")}`);
  if (option.short) parts.push(`-s ${option.short.replace(/^-/, "")}`);
  if (option.argChoices) parts.push(`-x -a ${quote(option.argChoices.join(" "))}`);
  else if (option.required) parts.push("-r");
  return `${parts.join(" ")} -d ${quote(option.description)}`;
}
