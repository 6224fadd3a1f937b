# What every target of the project links: warnings, hardening, sanitizers, and
# the libraries found once. No global flags: a target gets these by linking
# turnstile_build.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka>=2.0)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv>=1.44)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.13)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.88)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash>=0.8)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3)

# libcsv ships neither pkg-config file nor CMake package.
find_path(CSV_INCLUDE_DIR csv.h REQUIRED)
find_library(CSV_LIBRARY csv REQUIRED)
add_library(turnstile_csv INTERFACE)
target_include_directories(turnstile_csv SYSTEM INTERFACE ${CSV_INCLUDE_DIR})
target_link_libraries(turnstile_csv INTERFACE ${CSV_LIBRARY})

add_library(turnstile_build INTERFACE)
target_include_directories(turnstile_build INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(turnstile_build INTERFACE
  _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE TURNSTILE_VERSION="${PROJECT_VERSION}")
target_compile_options(turnstile_build INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wundef -Wvla
  -Wformat=2 -Wpointer-arith -Wwrite-strings
  -fno-strict-overflow -fno-delete-null-pointer-checks
  $<$<BOOL:${TURNSTILE_WERROR}>:-Werror>)

if(TURNSTILE_SANITIZE STREQUAL "address")
  target_compile_options(turnstile_build INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g)
  target_link_options(turnstile_build INTERFACE -fsanitize=address,undefined)
elseif(TURNSTILE_SANITIZE STREQUAL "thread")
  target_compile_options(turnstile_build INTERFACE -fsanitize=thread -fno-omit-frame-pointer -g)
  target_link_options(turnstile_build INTERFACE -fsanitize=thread)
  # Debian's librdkafka runs on C11 threads, which ThreadSanitizer does not know.
  add_library(turnstile_tsan_threads STATIC ${PROJECT_SOURCE_DIR}/tests/support/tsan_threads.c)
  target_compile_definitions(turnstile_tsan_threads PRIVATE _POSIX_C_SOURCE=200809L)
  target_link_libraries(turnstile_tsan_threads PRIVATE Threads::Threads)
  target_link_libraries(turnstile_build INTERFACE turnstile_tsan_threads)
  target_link_options(turnstile_build INTERFACE -Wl,--undefined=thrd_create)
elseif(TURNSTILE_SANITIZE)
  message(FATAL_ERROR "TURNSTILE_SANITIZE is '${TURNSTILE_SANITIZE}': say address or thread")
else()
  target_compile_options(turnstile_build INTERFACE
    $<$<CONFIG:Release>:-fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=3>)
  target_link_options(turnstile_build INTERFACE
    $<$<CONFIG:Release>:-Wl,-z,relro,-z,now,-z,noexecstack -pie>)
endif()

# libFuzzer finds its way by the coverage of what it calls, so the libraries count theirs too.
if(TURNSTILE_FUZZ)
  target_compile_options(turnstile_build INTERFACE -fsanitize=fuzzer-no-link)
endif()

# One library per layer, one executable per program, explicit file lists.
function(turnstile_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PUBLIC turnstile_build)
endfunction()

function(turnstile_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE turnstile_build)
endfunction()
